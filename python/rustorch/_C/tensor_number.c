/* SPDX-License-Identifier: MIT
 * Python's operators on tensors: arithmetic, comparison, conversion.
 */
#include "python/rustorch/_C/binding.h"

/* Operators and the rows they call; looked up once, at their first use. */
enum {
    ADD, SUB, MUL, DIV, FLOOR_DIVIDE, REMAINDER, POW, MATMUL, AND, OR, XOR,
    LSHIFT, RSHIFT, ADD_, SUB_, MUL_, DIV_, POW_, EQ, NE, LT, LE, GT, GE, NEG,
    ABS, NOT, COUNT
};
static const char *const names[COUNT] = {
    "add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "matmul",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift",
    "bitwise_right_shift", "add_", "sub_", "mul_", "div_", "pow_", "eq", "ne",
    "lt", "le", "gt", "ge", "neg", "abs", "bitwise_not"};
static const rt_op *ops[COUNT];

static const rt_op *find(int which)
{
    if (!ops[which]) {
        ops[which] = py_op(names[which]);
    }
    return ops[which];
}

/* What may stand beside a tensor: a number, or an array of another library.
 * 0 when it may; 1 when it may not; -1 with an exception. */
static int operand(py_scratch *s, PyObject *o, rt_value *v)
{
    if (py_is_tensor(o)) {
        *v = RT_V_TENSOR(PY_T(o));
        s->elements += rt_tensor_numel(PY_T(o));
        return 0;
    }
    if (PyLong_Check(o) || PyFloat_Check(o) ||
        PyObject_HasAttrString(o, "__array__")) {
        return py_to_value(s, o, v);
    }
    return 1;
}

/* Two tensors, the common case: from here to the runtime in one hop. */
static PyObject *pair(const rt_op *op, rt_tensor *a, rt_tensor *b)
{
    const rt_value v[2] = {RT_V_TENSOR(a), RT_V_TENSOR(b)};
    if (rt_tensor_numel(a) + rt_tensor_numel(b) >= PY_BIG) {
        return py_call_op(op, v, 2, PY_BIG);
    }
    rt_value r[RT_MAX_RESULTS];
    rt_error err;
    rt_error_clear(&err);
    return rt_call(op, v, 2, r, &err) == RT_OK ? py_wrap(r[0].t)
                                               : py_raise(&err);
}

static __attribute__((noinline)) PyObject *mixed(int which, PyObject *a,
                                                 PyObject *b)
{
    py_scratch s;
    rt_value v[2];
    PyObject *out = NULL;
    PY_SCRATCH_INIT(&s);
    int bad = operand(&s, a, &v[0]);
    bad = bad ? bad : operand(&s, b, &v[1]);
    if (bad > 0) {
        out = Py_NewRef(Py_NotImplemented);
    } else if (!bad && find(which)) {
        out = py_call_op(ops[which], v, 2, s.elements);
    }
    py_scratch_dispose(&s);
    return out;
}

static inline PyObject *binary(int which, PyObject *a, PyObject *b)
{
    return py_is_plain(a) && py_is_plain(b) && ops[which]
               ? pair(ops[which], PY_T(a), PY_T(b))
               : mixed(which, a, b);
}

static PyObject *unary(int which, PyObject *a)
{
    rt_value v = RT_V_TENSOR(PY_T(a));
    return find(which) ? py_call_op(ops[which], &v, 1, rt_tensor_numel(v.t))
                       : NULL;
}

#define BINARY(fn, which)                                                      \
    static PyObject *fn(PyObject *a, PyObject *b)                              \
    {                                                                          \
        return binary(which, a, b);                                            \
    }
BINARY(add, ADD)
BINARY(subtract, SUB)
BINARY(multiply, MUL)
BINARY(divide, DIV)
BINARY(floor_divide, FLOOR_DIVIDE)
BINARY(remainder_, REMAINDER)
BINARY(matmul, MATMUL)
BINARY(and, AND)
BINARY(or, OR)
BINARY(xor, XOR)
BINARY(lshift, LSHIFT)
BINARY(rshift, RSHIFT)
BINARY(iadd, ADD_)
BINARY(isubtract, SUB_)
BINARY(imultiply, MUL_)
BINARY(idivide, DIV_)
#undef BINARY

static PyObject *power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None) {
        return py_fail(RT_E_UNSUPPORTED, "pow: tensors take no modulus");
    }
    return binary(POW, a, b);
}

static PyObject *ipower(PyObject *a, PyObject *b, PyObject *modulus)
{
    return binary(POW_, a, b);
}

static PyObject *negative(PyObject *a)
{
    return unary(NEG, a);
}

static PyObject *positive(PyObject *a)
{
    return Py_NewRef(a);
}

static PyObject *absolute(PyObject *a)
{
    return unary(ABS, a);
}

static PyObject *invert(PyObject *a)
{
    return unary(NOT, a);
}

PyObject *py_tensor_richcompare(PyObject *a, PyObject *b, int op)
{
    static const int which[] = {[Py_LT] = LT, [Py_LE] = LE, [Py_EQ] = EQ,
                                [Py_NE] = NE, [Py_GT] = GT, [Py_GE] = GE};
    return binary(which[op], a, b);
}

/* --- conversion ---------------------------------------------------------------------- */

/* The one element; a one-element tensor of any shape will do. */
static int item(PyObject *self, rt_value *v)
{
    rt_error err;
    rt_error_clear(&err);
    if (rt_tensor_item(v, PY_T(self), &err) != RT_OK) {
        py_raise(&err);
        return -1;
    }
    return 0;
}

static int truth(PyObject *self)
{
    rt_value v;
    int64_t n = rt_tensor_numel(PY_T(self));
    if (n > 1) {
        py_fail(RT_E_ARGUMENT, "bool: a tensor of %lld elements is neither "
                "true nor false; ask with .any() or .all()", (long long)n);
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    if (item(self, &v) < 0) {
        return -1;
    }
    return v.kind == RT_K_FLOAT ? v.f != 0 : v.i != 0;
}

static PyObject *to_float(PyObject *self)
{
    rt_value v;
    if (item(self, &v) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(v.kind == RT_K_FLOAT ? v.f : (double)v.i);
}

static PyObject *to_int(PyObject *self)
{
    rt_value v;
    if (item(self, &v) < 0) {
        return NULL;
    }
    return v.kind == RT_K_FLOAT ? PyLong_FromDouble(v.f)
                                : PyLong_FromLongLong(v.i);
}

static PyObject *to_index(PyObject *self)
{
    rt_value v;
    rt_dtype d = rt_tensor_dtype(PY_T(self));
    if (!rt_dtype_is_integral(d, true)) {
        return py_fail(RT_E_TYPE, "only an integer tensor of one element can "
                       "be an index, this one is %s", rt_dtype_name(d));
    }
    return item(self, &v) < 0 ? NULL : PyLong_FromLongLong(v.i);
}

PyType_Slot py_number_slots[] = {
    {Py_nb_add, add}, {Py_nb_subtract, subtract}, {Py_nb_multiply, multiply},
    {Py_nb_true_divide, divide}, {Py_nb_floor_divide, floor_divide},
    {Py_nb_remainder, remainder_}, {Py_nb_power, power},
    {Py_nb_matrix_multiply, matmul}, {Py_nb_and, and}, {Py_nb_or, or},
    {Py_nb_xor, xor}, {Py_nb_lshift, lshift}, {Py_nb_rshift, rshift},
    {Py_nb_inplace_add, iadd}, {Py_nb_inplace_subtract, isubtract},
    {Py_nb_inplace_multiply, imultiply}, {Py_nb_inplace_true_divide, idivide},
    {Py_nb_inplace_power, ipower}, {Py_nb_negative, negative},
    {Py_nb_positive, positive}, {Py_nb_absolute, absolute},
    {Py_nb_invert, invert}, {Py_nb_bool, truth}, {Py_nb_float, to_float},
    {Py_nb_int, to_int}, {Py_nb_index, to_index},
    {0, NULL}};
