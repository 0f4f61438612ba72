/* libcurl's handles, kept for the next call so that connections stay alive. */
#include <pthread.h>
#include <string.h>

#include "core/attr.h"
#include "http/client.h"
#include "http/client_impl.h"

#include "core/banned.h"

#define HANDLES_MAX 16

static struct {
    pthread_mutex_t lock;
    CURL *idle[HANDLES_MAX];
    size_t count;
} handles = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum err http_client_init(struct error *e)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? OK : err_set(e, ERR_FAULT, "libcurl: %s", curl_easy_strerror(code));
}

CURL *client_take_handle(char error_buffer[CURL_ERROR_SIZE])
{
    CURL *curl = NULL;
    (void)pthread_mutex_lock(&handles.lock);
    if (handles.count > 0) {
        curl = handles.idle[--handles.count];
    }
    (void)pthread_mutex_unlock(&handles.lock);
    curl = curl != NULL ? curl : curl_easy_init();
    if (curl == NULL) {
        return NULL;
    }
    error_buffer[0] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_buffer);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    /* A name that nobody answers for must not hold the call beyond its time limit. */
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    return curl;
}

void client_give_handle(CURL *curl)
{
    curl_easy_reset(curl); /* keeps its connections */
    (void)pthread_mutex_lock(&handles.lock);
    if (handles.count < HANDLES_MAX) {
        handles.idle[handles.count++] = curl;
        curl = NULL;
    }
    (void)pthread_mutex_unlock(&handles.lock);
    if (curl != NULL) {
        curl_easy_cleanup(curl);
    }
}

enum err client_error(CURLcode code, const char *error_buffer, struct error *e)
{
    const char *text = error_buffer[0] != '\0' ? error_buffer : curl_easy_strerror(code);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(e, ERR_TIMEOUT, "%s", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(e, ERR_INVALID, "%s", text);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return err_set(e, ERR_FAULT, "%s", text);
    default:
        return err_set(e, ERR_BUSY, "%s", text);
    }
}

bool client_is_one_line(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}
