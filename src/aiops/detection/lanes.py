"""Four numbers side by side, in one register: what is said of four statistics costs what it costs to say it of one.

`Lanes` is a numba type of four float64 with the arithmetic of a float: a formula written with `larger`, `smaller` and
`select` instead of branches is compiled for one number or for four, and gives the same. In plain Python it is not for
use: the compiled code is the only place that has such registers.
"""

# ruff: noqa: PLW0108  # numba wants implementations whose arguments are called as those of the function
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

COUNT = 4
DOUBLE, BIT, I32, I64 = ir.DoubleType(), ir.IntType(1), ir.IntType(32), ir.IntType(64)
VECTOR, MASK = ir.VectorType(DOUBLE, COUNT), ir.VectorType(BIT, COUNT)
FAST = ("contract", "nsz", "arcp")  # as the kernel's


class Lanes(types.Type):
    """Four float64."""

    def __init__(self) -> None:
        super().__init__(name="float64x4")


class Choice(types.Type):
    """Four truths: what comparing lanes gives."""

    def __init__(self) -> None:
        super().__init__(name="boolx4")


lanes, choice = Lanes(), Choice()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


@register_model(Choice)
class _ChoiceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, MASK)


def spread(builder: Any, scalar: Any, kind: Any = VECTOR) -> Any:
    """The same number in every lane."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(
        one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, COUNT), [0] * COUNT)
    )


def _wide(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An argument as lanes, if it is not."""
    if isinstance(kind, Lanes):
        return value
    return spread(builder, context.cast(builder, value, kind, types.float64))


def _are_lanes(a: Any, b: Any) -> bool:
    """Two arguments that are lanes, one perhaps a plain number."""
    return (isinstance(a, Lanes) or isinstance(b, Lanes)) and all(isinstance(x, Lanes | types.Number) for x in (a, b))


def _binary(build: Callable[[Any, Any, Any], Any], result: Any) -> Any:
    """An intrinsic of two arguments, at least one of them lanes."""

    @intrinsic
    def apply(typingctx: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, y = (_wide(context, builder, kind, value) for kind, value in zip(sig.args, args, strict=True))
            return build(builder, x, y)

        return result(a, b), generate

    return apply


_add = _binary(lambda builder, x, y: builder.fadd(x, y, flags=FAST), lanes)
_subtract = _binary(lambda builder, x, y: builder.fsub(x, y, flags=FAST), lanes)
_multiply = _binary(lambda builder, x, y: builder.fmul(x, y, flags=FAST), lanes)
_divide = _binary(lambda builder, x, y: builder.fdiv(x, y, flags=FAST), lanes)
_above = _binary(lambda builder, x, y: builder.fcmp_ordered(">", x, y), choice)
_larger = _binary(lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), x, y), lanes)
_smaller = _binary(lambda builder, x, y: builder.select(builder.fcmp_ordered("<", x, y), x, y), lanes)


@overload(operator.add)
def _overload_add(a, b):
    return (lambda a, b: _add(a, b)) if _are_lanes(a, b) else None


@overload(operator.sub)
def _overload_sub(a, b):
    return (lambda a, b: _subtract(a, b)) if _are_lanes(a, b) else None


@overload(operator.mul)
def _overload_mul(a, b):
    return (lambda a, b: _multiply(a, b)) if _are_lanes(a, b) else None


@overload(operator.truediv)
def _overload_div(a, b):
    return (lambda a, b: _divide(a, b)) if _are_lanes(a, b) else None


def above(a: Any, b: Any) -> Any:
    """Whether a > b, of two numbers or lane by lane."""


def larger(a: Any, b: Any) -> Any:
    """The larger of two numbers, or lane by lane."""


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two numbers, or lane by lane."""


def select(which: Any, a: Any, b: Any) -> Any:
    """`a` where `which`, else `b`; both are computed."""


def magnitude(a: Any) -> Any:
    """Without the sign."""


@overload(above)
def _overload_above(a, b):
    return (lambda a, b: _above(a, b)) if _are_lanes(a, b) else (lambda a, b: a > b)


@overload(larger)
def _overload_larger(a, b):
    return (lambda a, b: _larger(a, b)) if _are_lanes(a, b) else (lambda a, b: max(a, b))


@overload(smaller)
def _overload_smaller(a, b):
    return (lambda a, b: _smaller(a, b)) if _are_lanes(a, b) else (lambda a, b: min(a, b))


@intrinsic
def _select(typingctx: Any, which: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, y = (_wide(context, builder, kind, value) for kind, value in zip(sig.args[1:], args[1:], strict=True))
        return builder.select(args[0], x, y)

    return lanes(choice, a, b), generate


@overload(select)
def _overload_select(which, a, b):
    if isinstance(which, Choice):
        return lambda which, a, b: _select(which, a, b)
    return lambda which, a, b: float(a) if which else float(b)


@intrinsic
def _magnitude(typingctx: Any, a: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{COUNT}f64"), args)

    return lanes(lanes), generate


@overload(magnitude)
def _overload_magnitude(a):
    return (lambda a: _magnitude(a)) if isinstance(a, Lanes) else (lambda a: abs(a))


@intrinsic
def together(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four float64 as lanes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = ir.Constant(VECTOR, ir.Undefined)
        for k, value in enumerate(args):
            made = builder.insert_element(made, value, I32(k))
        return made

    return lanes(*[types.float64] * COUNT), generate


@intrinsic
def apart(typingctx: Any, a: Any) -> Any:
    """Lanes as a tuple of four float64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [builder.extract_element(args[0], I32(k)) for k in range(COUNT)]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(types.float64, COUNT)(lanes), generate


def _place(context: Any, builder: Any, kind: Any, array: Any, indices: Any) -> tuple[Any, Any]:
    """Pointer to four elements of a matrix, and their type."""
    pointer = cgutils.get_item_pointer(
        context, builder, kind, context.make_array(kind)(context, builder, array), indices
    )
    four = ir.VectorType(context.get_value_type(kind.dtype), COUNT)
    return builder.bitcast(pointer, four.as_pointer()), four


@intrinsic
def read(typingctx: Any, array: Any, row: Any, column: Any) -> Any:
    """array[row, column : column + 4] of a C-contiguous matrix of float32 or float64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, four = _place(context, builder, sig.args[0], args[0], args[1:])
        value = builder.load(pointer)
        value.align = sig.args[0].dtype.bitwidth // 8
        return value if four == VECTOR else builder.fpext(value, VECTOR)

    return lanes(array, types.intp, types.intp), generate


@intrinsic
def write(typingctx: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Puts lanes into array[row, column : column + 4]."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, four = _place(context, builder, sig.args[0], args[0], args[1:3])
        value = args[3] if four == VECTOR else builder.fptrunc(args[3], four)
        builder.store(value, pointer).align = sig.args[0].dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, lanes), generate


_BITS = ir.VectorType(I64, COUNT)


@intrinsic
def split_lanes(typingctx: Any, a: Any, least: Any) -> Any:
    """Each lane as m * 2**e: (m, e); `least`: the bits of the smallest m, an int64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = ir.Constant(_BITS, [52] * COUNT)
        bits = builder.bitcast(args[0], _BITS)
        exponent = builder.ashr(builder.sub(bits, spread(builder, args[1], _BITS)), width)
        mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, width)), VECTOR)
        return context.make_tuple(builder, sig.return_type, [mantissa, builder.sitofp(exponent, VECTOR)])

    return types.UniTuple(lanes, 2)(lanes, types.int64), generate


@intrinsic
def power_lanes(typingctx: Any, a: Any) -> Any:
    """Each lane's lowest bits, a whole number, as a power of two."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bias, width = (ir.Constant(_BITS, [number] * COUNT) for number in (1023, 52))
        return builder.bitcast(builder.shl(builder.add(builder.bitcast(args[0], _BITS), bias), width), VECTOR)

    return lanes(lanes), generate
