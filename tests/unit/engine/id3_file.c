/* id3_file 3|4 MP3 OUTPUT [name=value ...]: writes a tag and the MP3 behind it, and patches the tag
 * at the end, as the engine does. For test_id3.py. Names: 0 to 10 (enum job_tag_name), picture (a
 * file), chapter ("start_ms,end_ms,title"; end_ms -1: open), gain, peak, duration_ms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_child/id3.h"

#define FILE_MAX ((size_t)64 << 20)

struct request {
    struct job_tags tags;
    struct id3_params params;
    struct id3_chapter chapters[ID3_CHAPTERS_MAX];
    double gain_db, peak;
    int64_t duration_ms;
};

static uint8_t *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    uint8_t *bytes = xmalloc(FILE_MAX);
    *ret_len = fread(bytes, 1, FILE_MAX, file);
    (void)fclose(file);
    return bytes;
}

static void add_chapter(struct request *r, const char *text)
{
    struct id3_chapter *chapter = &r->chapters[r->params.chapter_count++];
    char *rest = NULL;
    chapter->start_ms = strtoll(text, &rest, 10);
    chapter->end_ms = strtoll(rest + 1, &rest, 10);
    chapter->end_ms = chapter->end_ms < 0 ? ID3_OPEN_END : chapter->end_ms;
    (void)snprintf(chapter->title, sizeof(chapter->title), "%s", rest + 1);
}

static void set(struct request *r, const char *name, const char *value)
{
    if (strcmp(name, "picture") == 0) {
        r->params.picture = read_file(value, &r->params.picture_len);
    } else if (strcmp(name, "chapter") == 0) {
        add_chapter(r, value);
    } else if (strcmp(name, "gain") == 0) {
        r->gain_db = strtod(value, NULL);
        r->params.has_replaygain = true;
    } else if (strcmp(name, "peak") == 0) {
        r->peak = strtod(value, NULL);
    } else if (strcmp(name, "duration_ms") == 0) {
        r->duration_ms = strtoll(value, NULL, 10);
    } else {
        (void)snprintf(r->tags.texts[strtol(name, NULL, 10)], JOB_TAG_TEXT_SIZE, "%s", value);
    }
}

static bool write_all(const struct request *r, struct id3 *t, const uint8_t *mp3, size_t mp3_len,
                      const char *path)
{
    size_t len = 0;
    size_t offset = 0;
    FILE *file = fopen(path, "wbe");
    if (file == NULL) {
        return false;
    }
    const uint8_t *bytes = id3_bytes(t, &len);
    bool is_written = fwrite(bytes, 1, len, file) == len;
    is_written = is_written && fwrite(mp3, 1, mp3_len, file) == mp3_len;
    if (r->params.has_replaygain) {
        id3_set_replaygain(t, r->gain_db, r->peak);
    }
    if (r->duration_ms > 0) {
        id3_set_duration(t, r->duration_ms);
    }
    const uint8_t *patch = id3_patch(t, &offset, &len);
    is_written = is_written && fseek(file, (long)offset, SEEK_SET) == 0;
    is_written = is_written && fwrite(patch, 1, len, file) == len;
    return fclose(file) == 0 && is_written;
}

int main(int argc, char **argv)
{
    static struct request r;
    size_t mp3_len = 0;
    if (argc < 4) {
        return 2;
    }
    r.params.version = strcmp(argv[1], "4") == 0 ? JOB_ID3_V24 : JOB_ID3_V23;
    r.params.tags = &r.tags;
    r.params.encoder = "id3_file";
    r.params.chapters = r.chapters;
    for (int i = 4; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL) {
            return 2;
        }
        *value = '\0';
        set(&r, argv[i], value + 1);
    }
    uint8_t *mp3 = read_file(argv[2], &mp3_len);
    struct id3 *t = id3_new(&r.params);
    bool is_written = write_all(&r, t, mp3, mp3_len, argv[3]);
    id3_free(t);
    free(mp3);
    free((void *)(uintptr_t)r.params.picture);
    return is_written ? 0 : 1;
}
