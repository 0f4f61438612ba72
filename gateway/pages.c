/* What needs no login: the page at / and the description of the API. Both are files embedded in the
 * binary. */
#include "routes.h"

#include "core/banned.h"

extern const char gateway_page[];
extern const char gateway_openapi[];

void page_home_handle(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_reply_header(r, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    http_reply_text(r, 200, "text/html; charset=utf-8", gateway_page);
}

void page_openapi_handle(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_reply_header(r, "Cache-Control", "max-age=300");
    http_reply_text(r, 200, "application/json", gateway_openapi);
}
