# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interprets the pickle of a PyTorch state_dict without executing any code in it.

A pickle is a program for a stack machine that may import and call any function. Therefore Python's unpickler is not
used: `Machine` interprets the few instructions that a state_dict consists of. It imports nothing: the names that a
state_dict refers to (GLOBALS) are represented by plain data, and any other name is rejected.
"""

import pickletools
from dataclasses import dataclass

import numpy as np

from errors import ModelError

# The published checkpoints have some 30,000.
MAX_INSTRUCTIONS = 1_000_000
MAX_INTEGER_BYTES = 16
MAX_DIMENSIONS = 8

# Element types of storages, little-endian. bfloat16 is the upper half of a float32.
STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
FLOATING = ("FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage")

# Everything that a state_dict refers to by name.
GLOBALS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
} | {"torch." + name for name in STORAGES}


@dataclass(frozen=True)
class Global:
    """A name from GLOBALS, as data."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A block of numbers in the file, which tensors are views of."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A tensor as described in the checkpoint, not yet checked against its storage."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    @property
    def is_floating(self):
        return self.storage.kind in FLOATING


class Machine:
    """Interprets one pickle; supports only the instructions of a state_dict. Values are None, bool, int, float, str,
    tuple, list, dict, Global, Storage and Tensor."""

    def __init__(self, stream):
        self._stream = stream
        self._stack = []
        self._marks = []
        self._memo = {}
        self.storages = {}

    def run(self, what):
        """Returns the value of the pickle at the stream's position, and moves the stream behind it."""
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(self._stream)):
                if count >= MAX_INSTRUCTIONS:
                    raise ModelError(
                        f"its {what} has more than {MAX_INSTRUCTIONS} instructions, which no state_dict "
                        "of this network has"
                    )
                if opcode.name == "STOP":
                    return self._stack.pop()
                self._step(opcode.name, argument)
        except (ModelError, MemoryError):
            raise
        except Exception as error:  # a malformed pickle can make any step raise, or pickletools itself
            raise ModelError(
                f"is damaged or truncated: its {what} is no whole pickle ({_brief(error)}); download or save it again"
            ) from None
        raise ModelError(f"is truncated in its {what}; download or save it again")

    def _step(self, name, argument):
        if name in _LITERALS:
            if isinstance(argument, int) and argument.bit_length() > 8 * MAX_INTEGER_BYTES:
                raise ValueError("an integer of absurd size")
            self._stack.append(argument)
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name == "INST":
            raise _refusal(argument.replace(" ", "."))
        else:
            raise ModelError(
                f"asks for the pickle instruction {name}, which a state_dict does not need; refused, "
                "nothing was executed"
            )

    def _pop_marked(self):
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _mark(self, _):
        self._marks.append(len(self._stack))

    def _pop(self, _):
        self._stack.pop()

    def _put(self, index):
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def _get(self, index):
        self._stack.append(self._memo[index])

    def _append(self, _):
        value = self._stack.pop()
        _expect(self._stack[-1], list).append(value)

    def _appends(self, _):
        values = self._pop_marked()
        _expect(self._stack[-1], list).extend(values)

    def _set_item(self, _):
        value, key = self._stack.pop(), self._stack.pop()
        _expect(self._stack[-1], dict)[_key(key)] = value

    def _set_items(self, _):
        items = self._pop_marked()
        target = _expect(self._stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def _global(self, argument):
        self._stack.append(_admit(argument.replace(" ", ".", 1)))

    def _stack_global(self, _):
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_admit(_expect(module, str) + "." + _expect(name, str)))

    def _reduce(self, _):
        arguments = _expect(self._stack.pop(), tuple)
        function = _expect(self._stack.pop(), Global)
        self._stack.append(_CALLS[function.name](*arguments))

    def _build(self, _):
        # Attributes of a state_dict: _metadata, the versions of modules, which are not needed.
        self._stack.pop()
        _expect(self._stack[-1], dict)

    def _persistent(self, _):
        what, element, key, _, count, *view = _expect(self._stack.pop(), tuple)
        kind = _expect(element, Global).name.removeprefix("torch.")
        if what != "storage" or kind not in STORAGES or not isinstance(key, str):
            raise ValueError("expected a storage")
        if view and view[0] is not None:
            raise ModelError(
                f"storage {shown(key)} is a view of another, as PyTorch before 0.4 wrote them; load and "
                "save the state_dict again with a current PyTorch"
            )
        storage = Storage(kind, key, _size(count))
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"two statements of storage {shown(key)}")
        self._stack.append(storage)


def _constant(value):
    return lambda machine, _: machine._stack.append(value)


def _empty(make):
    return lambda machine, _: machine._stack.append(make())


def _tuple(count):
    def step(machine, _):
        stack = machine._stack
        items = machine._pop_marked() if count is None else [stack.pop() for _ in range(count)][::-1]
        stack.append(tuple(items))

    return step


_LITERALS = {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "SHORT_BINSTRING",
    "BINSTRING",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "LONG4",
    "BINFLOAT",
}

_STEPS = {
    "PROTO": lambda self, _: None,
    "FRAME": lambda self, _: None,
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_TUPLE": _constant(()),
    "EMPTY_LIST": _empty(list),
    "EMPTY_DICT": _empty(dict),
    "MARK": Machine._mark,
    "TUPLE": _tuple(None),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "POP": Machine._pop,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._put,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "APPEND": Machine._append,
    "APPENDS": Machine._appends,
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._reduce,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
}


def _ordered_dict():
    return {}


def _rebuild_tensor(storage, offset, shape, strides, *_):
    return Tensor(_expect(storage, Storage), _size(offset), _sizes(shape), _sizes(strides))


def _rebuild_parameter(tensor, *_):
    return _expect(tensor, Tensor)


_CALLS = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}


def _admit(name):
    if name not in GLOBALS:
        raise _refusal(name)
    return Global(name)


def _refusal(name):
    return ModelError(
        f"asks for {shown(name)}, which a state_dict does not need; refused, nothing was executed. "
        "Get a file that torch.save(model.state_dict(), ...) wrote"
    )


# Checks shared by the steps. Values are not printed: printing a malicious one can take forever.


def _expect(value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__}, found a {type_name(value)}")
    return value


def _size(value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 48:
        raise ValueError("expected a size or an offset")
    return value


def _sizes(values):
    if len(_expect(values, tuple)) > MAX_DIMENSIONS:
        raise ValueError(f"expected at most {MAX_DIMENSIONS} dimensions")
    return tuple(map(_size, values))


def _key(value):
    """Keys are strings or small integers, as in optimizers' states: larger integers can be crafted to have equal
    hashes."""
    if not isinstance(value, (str, int)):
        raise ValueError(f"a {type_name(value)} as a key")
    if isinstance(value, int) and not 0 <= value < 2**31:
        raise ValueError(f"a key that is neither text nor a number from 0 to {2**31 - 1}")
    return value


def type_name(value):
    """Type name of a value for messages."""
    return "NoneType" if value is None else type(value).__name__


def shown(value):
    """A name from the file for messages: shortened, and safe to print."""
    text = str(value) if isinstance(value, (str, int)) else type_name(value)
    text = text if len(text) <= 80 else text[:77] + "..."
    return text if text.isprintable() else ascii(text)


def _brief(error):
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 120 else text[:117] + "..."
