/* What an answer contains, as far as the audits need it: the id that was made, or the cause of a refusal, or a count. */

#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { GRPC_PREFIX = 5, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct field {
    uint32_t number, kind;
    uint64_t value;      /* VARINT */
    const uint8_t *data; /* BYTES, of length value */
};

void append(uint8_t **buffer, size_t *length, size_t *room, const void *data, size_t count) {
    if (*length + count > *room) {
        *room = (*length + count) * 2;
        *buffer = realloc(*buffer, *room);
        if (*buffer == NULL) fail("there is no memory left", "ask for fewer callers");
    }
    memcpy(*buffer + *length, data, count);
    *length += count;
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* The next field of a protobuf message; false at its end, or where it is none. */
static bool next_field(const uint8_t **at, const uint8_t *end, struct field *field) {
    uint64_t tag;
    if (*at >= end || !read_varint(at, end, &tag)) return false;
    field->number = (uint32_t)(tag >> 3);
    field->kind = tag & 7;
    field->data = *at;
    if (field->kind == VARINT) return read_varint(at, end, &field->value);
    if (field->kind == BYTES) {
        if (!read_varint(at, end, &field->value) || field->value > (uint64_t)(end - *at)) return false;
    } else {
        field->value = field->kind == FIXED64 ? 8 : 4;
        if ((field->kind != FIXED64 && field->kind != FIXED32) || field->value > (uint64_t)(end - *at)) return false;
    }
    field->data = *at;
    *at += field->value;
    return true;
}

static void tell_text(struct entry *entry, uint8_t told, const void *text, size_t length) {
    entry->told = told;
    entry->text_length = length > TEXT_MAX ? TEXT_MAX : (uint8_t)length;
    memcpy(entry->text, text, entry->text_length);
}

static void read_first_of(struct entry *entry, uint8_t told, const struct field *outer) {
    const uint8_t *at = outer->data;
    struct field inner;
    entry->told = told;
    while (next_field(&at, outer->data + outer->value, &inner)) {
        if (inner.number != 1) continue;
        if (inner.kind == BYTES) tell_text(entry, told, inner.data, inner.value);
        else entry->count = (int32_t)inner.value;
        return;
    }
}

void read_grpc_answer(struct call *call) {
    const struct method *method = call->method;
    struct entry *entry = &call->entry;
    if (call->answer_length < GRPC_PREFIX) return;
    const uint8_t *at = call->answer + GRPC_PREFIX, *end = call->answer + call->answer_length;
    struct field field;
    if (method->count_field) entry->told = 'n';
    while (next_field(&at, end, &field)) {
        if (field.number == method->count_field) {
            entry->count = field.kind == VARINT ? (int32_t)field.value : entry->count + 1;
        } else if (field.number == method->id_field && field.kind == BYTES) {
            read_first_of(entry, 'i', &field);
        } else if (field.number == method->failure_field && field.kind == BYTES) {
            read_first_of(entry, 'c', &field);
        }
    }
}

/* The text of a JSON member, by the first place where its name stands. Our answers have no other use of these names. */
static bool find_text(const char *json, const char *name, const char **text, size_t *length) {
    const char *found = strstr(json, name);
    if (found == NULL) return false;
    found = strchr(found + strlen(name), '"');
    const char *end = found == NULL ? NULL : strchr(found + 1, '"');
    if (end == NULL) return false;
    *text = found + 1;
    *length = (size_t)(end - *text);
    return true;
}

void read_json_answer(struct call *call) {
    struct entry *entry = &call->entry;
    const char *text;
    size_t length;
    append(&call->answer, &call->answer_length, &call->answer_room, "", 1);
    const char *json = (const char *)call->answer;
    if (find_text(json, "\"cause\":", &text, &length)) {
        tell_text(entry, 'c', text, length);
    } else if (call->method->count_field) {
        entry->told = 'n';
        for (const char *at = json; (at = strstr(at, "\"available\":")) != NULL; at++) entry->count++;
    } else if (find_text(json, "\"booking_id\":", &text, &length) || find_text(json, "\"lease_id\":", &text, &length)) {
        tell_text(entry, 'i', text, length);
    }
}
