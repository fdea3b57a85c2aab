"""The nearest prototype of a series, sixteen compared at a time.

Written as vectors because the compiler would not: the least of many floats is a chain of waits unless it knows that
none is NaN, and a loop over thirty prototypes is too short for the widths it likes. State holds no NaN. On processors
with shorter vectors the compiler splits these.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from aiops.detection import state as S

LANES = 16
FAR = np.float32(3e38)
F32, I16, I32 = ir.FloatType(), ir.IntType(16), ir.IntType(32)


def _load(context: Any, builder: Any, kind: Any, array: Any, indices: list[Any]) -> Any:
    """LANES elements from here on, as one vector."""
    pointer = cgutils.get_item_pointer(
        context, builder, kind, context.make_array(kind)(context, builder, array), indices
    )
    element = context.get_value_type(kind.dtype)
    vector = builder.load(builder.bitcast(pointer, ir.VectorType(element, LANES).as_pointer()))
    vector.align = kind.dtype.bitwidth // 8
    return vector


def _spread(builder: Any, scalar: Any) -> Any:
    """The same number in every lane."""
    lanes = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(
        one, ir.Constant(lanes, ir.Undefined), ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
    )


def _function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


@intrinsic
def _distances(
    typingctx: Any, body: Any, row: Any, start: Any, f0: Any, f1: Any, f2: Any, f3: Any, used: Any, to: Any
) -> Any:
    """Distances of prototypes start .. start + LANES into `to`, FAR where not in use; returns the least."""
    f32 = types.float32
    signature = f32(body, types.intp, types.intp, f32, f32, f32, f32, types.intp, to)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        body, row, start, *state, used, to = args
        element = context.get_value_type(sig.args[0].dtype)
        lanes = ir.VectorType(element, LANES)
        suffix = "f32" if element == F32 else "f64"
        fabs = _function(builder, f"llvm.fabs.v{LANES}{suffix}", lanes, [lanes])
        distance = None
        for feature, scalar in enumerate(state):
            column = builder.add(start, ir.Constant(start.type, S.BANK + feature * S.BANK_SIZE))
            known = _load(context, builder, sig.args[0], body, [row, column])
            here = _spread(builder, scalar if element == F32 else builder.fpext(scalar, element))
            apart = builder.call(fabs, [builder.fsub(known, here)])
            distance = (
                apart
                if distance is None
                else builder.select(builder.fcmp_ordered(">", distance, apart), distance, apart)
            )
        short = ir.VectorType(F32, LANES)
        distance = distance if element == F32 else builder.fptrunc(distance, short)
        order = ir.Constant(ir.VectorType(start.type, LANES), list(range(LANES)))
        is_used = builder.icmp_signed("<", order, _spread(builder, builder.sub(used, start)))
        distance = builder.select(is_used, distance, ir.Constant(short, [float(FAR)] * LANES))
        array = context.make_array(sig.args[-1])(context, builder, to)
        pointer = cgutils.get_item_pointer(context, builder, sig.args[-1], array, [start])
        builder.store(distance, builder.bitcast(pointer, short.as_pointer())).align = 4
        least = _function(builder, f"llvm.vector.reduce.fmin.v{LANES}f32", F32, [short])
        return builder.call(least, [distance], fastmath=("nnan", "nsz"))

    return signature, generate


@intrinsic
def _first(typingctx: Any, distances: Any, start: Any, wanted: Any) -> Any:
    """How many of the LANES from `start` on stand before the first that equals `wanted`; LANES: none does."""
    signature = types.int32(distances, types.intp, types.float32)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        here = _load(context, builder, sig.args[0], args[0], [args[1]])
        mask = builder.bitcast(builder.fcmp_ordered("==", here, _spread(builder, args[2])), I16)
        return builder.zext(builder.cttz(mask, ir.IntType(1)(0)), I32)

    return signature, generate


@njit(inline="always")
def nearest(body, i, f0, f1, f2, f3, used, scratch):
    """Chebyshev distance to the nearest of `used` prototypes of row i, and the index of the first at it (-1: none yet).

    scratch float32 (BANK_SIZE,): for the distances."""
    best, index = FAR, -1
    for start in range(0, used, LANES):
        best = min(best, _distances(body, i, start, f0, f1, f2, f3, used, scratch))
    for start in range(used - 1 - (used - 1) % LANES, -1, -LANES):
        place = _first(scratch, start, best)
        index = start + place if place < LANES else index
    return best, index
