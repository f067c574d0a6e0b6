"""Whether this machine's KVM runs a guest, in a sentence: `python -m tests.lab.vm_kvm`.

A device node is no proof: where a hypervisor stands in for the processor's own help, KVM may
open, make a machine, and run it by an emulator that knows few instructions. So one is made and
run. Its two instructions are of every x86 processor since 1989, and the first of them is none
that KVM's emulator knows: it ends well only where the processor itself runs guests.

Knows the ioctls of KVM (Documentation/virt/kvm/api.rst in Linux); knows nothing of QEMU.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import signal
import struct
import sys
from types import FrameType

DEVICE = "/dev/kvm"
_CODE = b"\xd9\xee\xf4"  # fldz; hlt
_CODE_AT = 0x1000
_EXIT_HLT = 5
_SECONDS = 10
# _IO, _IOR and _IOW of linux/kvm.h, for x86-64.
_CREATE_VM, _CREATE_VCPU, _VCPU_MMAP_SIZE, _RUN = 0xAE01, 0xAE41, 0xAE04, 0xAE80
_SET_MEMORY, _SET_REGISTERS = 0x4020AE46, 0x4090AE82
_GET_SPECIAL_REGISTERS, _SET_SPECIAL_REGISTERS = 0x8138AE83, 0x4138AE84
_SPECIAL_REGISTERS_BYTES = 312
_NOT_OPENED: dict[type[OSError], str] = {
    FileNotFoundError: "There is no {}: the processor's virtualization is off or not there,"
    " or the module kvm_intel or kvm_amd is not loaded.",
    PermissionError: "You may not open {}: it belongs to the group `kvm`.",
}


def trouble(device: str = DEVICE) -> str:
    """Why KVM is of no use here, in a sentence; empty when it runs a guest."""
    if platform.machine() != "x86_64":
        return f"There is no check for {platform.machine()}."
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return _NOT_OPENED.get(type(error), f"It cannot be opened: {error.strerror}.").format(
            device
        )
    with os.fdopen(kvm, "r+b", buffering=0):
        try:
            reason = _exit_reason(kvm)
        except TimeoutError:
            return f"A guest of two instructions did not end within {_SECONDS} s."
        except OSError as error:
            return f"{device} opens, but makes no machine: {error.strerror}."
    if reason == _EXIT_HLT:
        return ""
    return (
        f"{device} opens, but a guest of two instructions fails (exit reason {reason}):"
        " its instructions are emulated, and not all that a processor has."
    )


def _exit_reason(kvm: int) -> int:
    """Run the code in real mode, at once; why the guest ended."""
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    processor = -1
    try:
        processor = fcntl.ioctl(machine, _CREATE_VCPU, 0)
        size = fcntl.ioctl(kvm, _VCPU_MMAP_SIZE, 0)
        with mmap.mmap(-1, mmap.PAGESIZE) as memory, mmap.mmap(processor, size) as state:
            memory[: len(_CODE)] = _CODE
            page = ctypes.c_char.from_buffer(memory)
            address = ctypes.addressof(page)
            region = struct.pack("=IIQQQ", 0, 0, _CODE_AT, mmap.PAGESIZE, address)
            fcntl.ioctl(machine, _SET_MEMORY, region)
            _point_at_code(processor)
            _run(processor)
            (reason,) = struct.unpack_from("=I", state, 8)  # struct kvm_run
            del page  # the mapping cannot be closed while somebody points into it
            return int(reason)
    finally:
        for descriptor in (processor, machine):
            if descriptor != -1:
                os.close(descriptor)


def _point_at_code(processor: int) -> None:
    special = bytearray(_SPECIAL_REGISTERS_BYTES)
    fcntl.ioctl(processor, _GET_SPECIAL_REGISTERS, special)
    special[0:8] = bytes(8)  # the code segment's base…
    special[12:14] = bytes(2)  # …and selector
    fcntl.ioctl(processor, _SET_SPECIAL_REGISTERS, bytes(special))
    registers = struct.pack("=18Q", *([0] * 16), _CODE_AT, 2)  # …, rip, rflags
    fcntl.ioctl(processor, _SET_REGISTERS, registers)


def _run(processor: int) -> None:
    """Raises TimeoutError; a signal is what ends a guest that does not end."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    try:
        fcntl.ioctl(processor, _RUN, 0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """Say it; 0 when KVM can be used."""
    found = trouble()
    print(f"KVM cannot be used here. {found}" if found else "KVM can be used here.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
