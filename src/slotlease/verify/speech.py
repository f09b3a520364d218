"""One call made with Google's messages, whatever carries them: a message goes, an Answer with a plain value comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from google.protobuf import text_format
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import DecodeError, Message

from slotlease.verify.answer import CAUSE_UNSPECIFIED, OK, UNKNOWN, Answer, Reply, ValueT

MessageT = TypeVar("MessageT", bound=Message)

_AS_IT_IS: Final[Mapping[tuple[str, str], str]] = {}


class Line(Protocol):
    """A connection. It never raises for what the server does."""

    def send(self, path: str, payload: bytes) -> Reply: ...

    def close(self) -> None: ...


class Form(Protocol):
    """How a message is written."""

    def write(self, message: Message) -> bytes: ...

    def read(self, kind: type[MessageT], payload: bytes) -> MessageT:
        """Raises ValueError for what is no message of that kind; the text is for people."""

    def told(self, message: Message) -> str: ...


class Protobuf:
    """As gRPC carries messages."""

    def write(self, message: Message) -> bytes:
        return message.SerializeToString()

    def read(self, kind: type[MessageT], payload: bytes) -> MessageT:
        try:
            return kind.FromString(payload)
        except DecodeError as error:
            raise ValueError("the answer is no message of this kind") from error

    def told(self, message: Message) -> str:
        return text_format.MessageToString(message)


class Speech:
    """`path` is where a method is called. `words` says by method and status what a status stands for, where it is not
    what it says."""

    def __init__(
        self,
        line: Line,
        form: Form,
        path: Callable[[str], str],
        words: Mapping[tuple[str, str], str] = _AS_IT_IS,
    ) -> None:
        self._line = line
        self._form = form
        self._path = path
        self._words = words

    def ask(
        self,
        method: str,
        request: Message,
        answered: type[MessageT],
        read: Callable[[MessageT], ValueT],
        carries: str = "",
    ) -> Answer[ValueT]:
        """`carries` is what an answer must have, or else a booking_failure, where its version knows such."""
        reply = self._line.send(self._path(method), self._form.write(request))
        sent = self._form.told(request)
        if reply.word != OK:
            word = self._words.get((method, reply.word), reply.word)
            return Answer(method, word, None, sent, told(reply), reply.payload, reply.text, reply.took_s)
        try:
            answer = self._form.read(answered, reply.payload)
        except ValueError as error:
            came = reply.payload.decode(errors="backslashreplace")
            return Answer(method, UNKNOWN, None, sent, came, reply.payload, "", reply.took_s, str(error))
        word, flaw = _ending(answer, carries) if carries else (OK, "")
        came = self._form.told(answer) or "an empty message\n"
        value = read(answer) if word == OK else None
        return Answer(method, word, value, sent, came, reply.payload, "", reply.took_s, flaw)


def told(reply: Reply) -> str:
    return f"{reply.word}: {reply.text}" if reply.text else f"{reply.word}, {len(reply.payload)} bytes"


def enum_name(kind: EnumDescriptor, number: int, otherwise: str) -> str:
    """Google adds numbers: one that is not known is told by it, after `otherwise`."""
    known = kind.values_by_number.get(number)
    return known.name if known else f"{otherwise} {number}"


def _ending(answer: Message, carries: str) -> tuple[str, str]:
    """The word for an answer that may carry a failure, and what is wrong with it whatever was asked."""
    field = answer.DESCRIPTOR.fields_by_name.get("booking_failure")
    if field is None:
        return OK, "" if answer.HasField(carries) else f"{carries} is not set"
    if not answer.HasField("booking_failure"):
        return OK, "" if answer.HasField(carries) else f"neither {carries} nor booking_failure is set"
    failure = getattr(answer, "booking_failure")  # noqa: B009 - of three kinds of message
    causes = failure.DESCRIPTOR.fields_by_name["cause"].enum_type
    word = enum_name(causes, failure.cause, "cause")
    if answer.HasField(carries):
        return word, f"both {carries} and booking_failure are set"
    return word, f"the cause is {word}" if word == CAUSE_UNSPECIFIED else ""
