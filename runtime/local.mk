# The runtime: one convenience library, linked by every host and test.
