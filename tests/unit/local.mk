# A test of the runtime:  unit_tests += tests/unit/test_x
#                         tests_unit_test_x_LDADD = libruntime.la
unit_tests += tests/unit/test_base
tests_unit_test_base_LDADD = libruntime.la
unit_tests += tests/unit/test_tensor
tests_unit_test_tensor_LDADD = libruntime.la
