"""What version 3 looks like, for programs: OpenAPI 3.1, made from the descriptors, so that it cannot go stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from slotlease import __version__
from slotlease.wire.json_v3 import ALWAYS_WRITTEN
from slotlease.wire.limits import LENGTH_MAX, PARTY_SIZE_MAX, SLOT_TIMES_MAX
from slotlease.wire.outcome import HTTP_CODES
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2

if TYPE_CHECKING:
    from google._upb import _message
    from google.protobuf import descriptor

    Message: TypeAlias = descriptor.Descriptor | _message.Descriptor
    Field: TypeAlias = descriptor.FieldDescriptor | _message.FieldDescriptor

Schema: TypeAlias = dict[str, Any]

_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": {"type": "integer"},
                "status": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}
_BITS: Final = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
_CODES: Final = sorted({code for code in HTTP_CODES.values() if code not in {200, 499}} | {405})
"""499 is what a log says of a caller that has gone: nobody is told."""


def document(methods: Mapping[str, bool], prefix: str) -> Schema:
    """`methods` by name, and whether each is offered; one that is not answers 501."""
    schemas: dict[str, Schema] = {"Error": _ERROR}
    paths: Schema = {f"{prefix}/v3/HealthCheck": {"get": _health()}}
    for name, offered in methods.items():
        paths[f"{prefix}/v3/{name}"] = {"post": _method(name, schemas) if offered else _not_offered(name)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Google's booking API, version 3, as Slotlease serves it", "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "security": [{"basic": []}, {}],
    }


def _health() -> Schema:
    status = {"type": "object", "properties": {"status": {"const": "SERVING"}}}
    return {
        "operationId": "HealthCheck",
        "security": [{}],
        "responses": {"200": _answer("serving", status), "503": _answer("not serving", _ref("Error"))},
    }


def _method(name: str, schemas: dict[str, Schema]) -> Schema:
    messages = service_pb2.DESCRIPTOR.message_types_by_name
    asked, answered = messages[f"{name}Request"], messages[f"{name}Response"]
    for message in (asked, answered):
        _add(message, schemas)
    return {
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(asked.name)}}},
        "responses": {
            "200": _answer("answered, or refused for a reason of business", _ref(answered.name)),
            **_errors(),
        },
    }


def _not_offered(name: str) -> Schema:
    return {"operationId": name, "responses": {"501": _answer("not offered", _ref("Error")), **_errors()}}


def _errors() -> Schema:
    return {str(code): _answer("see error.status and error.message", _ref("Error")) for code in _CODES}


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _add(message: Message, schemas: dict[str, Schema]) -> None:
    """The message and all that it is made of."""
    if message.name in schemas:
        return
    schema = schemas[message.name] = {"type": "object", "properties": {}}
    always = [field.name for field in message.fields if field.name in ALWAYS_WRITTEN]
    if always:
        schema["required"] = always
    for field in message.fields:
        schema["properties"][field.name] = _of_field(field, schemas)


def _of_field(field: Field, schemas: dict[str, Schema]) -> Schema:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    one = _of_value(field, schemas)
    if not field.is_repeated:
        return one
    most = {"maxItems": SLOT_TIMES_MAX} if field.name == "slot_time" else {}
    return {"type": "array", "items": one, **most}


def _of_value(field: Field, schemas: dict[str, Schema]) -> Schema:
    if field.message_type is not None:
        _add(field.message_type, schemas)
        return _ref(field.message_type.name)
    if field.enum_type is not None:
        return {"enum": [value.name for value in field.enum_type.values]}
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        longest = LENGTH_MAX.get(field.name)
        return {"type": "string"} if longest is None else {"type": "string", "maxLength": longest}
    if field.name == "party_size":
        return {"type": "integer", "minimum": 0, "maximum": PARTY_SIZE_MAX}
    most = 2 ** _BITS[field.cpp_type] - 1
    number = {"type": "integer", "minimum": -most - 1, "maximum": most}
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT32:
        return number
    return {"anyOf": [{"type": "string", "pattern": "^-?[0-9]{1,18}$"}, number]}
