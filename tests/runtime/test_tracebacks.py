"""An error that was handled and is kept lets go of the frames in which it was raised."""

import gc
import weakref

from avr_sts_speechmatics.runtime.tracebacks import drop_traceback


class Stream:
    """Keeps its error and raises it, as streams do."""

    def __init__(self) -> None:
        self.error = OSError("gone")

    def read(self) -> None:
        raise self.error


def failed(stream: Stream) -> Exception:
    try:
        try:
            stream.read()
        except OSError as error:
            raise LookupError("converted") from error
    except LookupError as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_handled_error_and_its_causes_keep_no_frame_alive() -> None:
    gc.disable()
    try:
        stream = Stream()
        gone = weakref.ref(stream)
        error = failed(stream)
        cause = error.__cause__
        assert error.__traceback__ is not None
        assert cause is not None
        assert cause.__traceback__ is not None
        drop_traceback(error)
        assert error.__traceback__ is None
        assert cause.__traceback__ is None
        assert str(error) == "converted", "the error itself stays"
        del stream, error, cause
        assert gone() is None
    finally:
        gc.enable()


def test_errors_that_cause_each_other_end_somewhere() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__context__ = other, one
    drop_traceback(one)
