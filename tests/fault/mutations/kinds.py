"""What a planted bug is, and which tests must fail for it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Gtest:
    """Tests of one GoogleTest program."""
    program: str
    filter: str

    @property
    def targets(self):
        # test_flusher also starts and kills the program itself.
        return (self.program, *(("sluice-flusher",) if self.program == "test_flusher" else ()))


@dataclasses.dataclass(frozen=True)
class Pytest:
    """Tests of one file, against the built daemons."""
    path: str
    keyword: str

    @property
    def targets(self):
        return ("sluice-proxy", "sluice-flusher", "sluice-ctl", "sluice_clock_shim")


@dataclasses.dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    tests: tuple
