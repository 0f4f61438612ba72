/* Range and If-Range, then the file name of an answer: the header, a NUL, If-Range or the name. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const char *header, const char *if_range, int64_t size_bytes)
{
    struct http_range r = http_range_parse(header, if_range, "\"e\"", size_bytes);
    switch (r.kind) {
    case HTTP_RANGE_WHOLE:
        assert(r.offset == 0 && r.len == size_bytes);
        break;
    case HTTP_RANGE_PART:
        assert(r.offset >= 0 && r.len > 0 && r.len <= size_bytes);
        assert(r.offset <= size_bytes - r.len);
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        break;
    }
}

static void check_disposition(const char *name)
{
    char text[1200];
    http_content_disposition(text, sizeof(text), name);
    assert(strncmp(text, "attachment", strlen("attachment")) == 0);
    for (const char *p = text; *p != '\0'; p++) {
        assert((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
    }
    http_content_disposition(text, 64, name);
    assert(strlen(text) < 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    text[size + 1] = '\0';
    const char *second = text + strlen(text) + 1;
    static const int64_t sizes[] = { 0, 1, 1000, INT64_MAX };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_range(text, NULL, sizes[i]);
        check_range(text, second, sizes[i]);
    }
    check_disposition(text);
    check_disposition(second);
    free(text);
    return 0;
}
