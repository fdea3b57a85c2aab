"""Eight bytes anywhere in a buffer as one number, in one instruction: numba reads only where the type's alignment and
its own index checks allow, and label bytes start anywhere."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def load_word(typing_context: Any, data: Any, at: Any) -> Any:
    """uint64 at data[at : at + 8], little end first; data uint8 (n,). The caller has checked the bounds."""
    signature = types.uint64(data, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        start = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(start, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return signature, generate
