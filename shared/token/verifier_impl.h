/* The verifier with its clocks and its limits, for its tests. */
#ifndef UNREEL_TOKEN_VERIFIER_IMPL_H
#define UNREEL_TOKEN_VERIFIER_IMPL_H

#include <stdint.h>

#include "core/error.h"
#include "token/verifier.h"

#define VERIFIER_REFRESH_MS (5LL * 60 * 1000)
#define VERIFIER_UNKNOWN_KID_MS (30LL * 1000)
#define VERIFIER_KEEP_MS (24LL * 60 * 60 * 1000)
/* After a failed fetch: how long callers get the old set, or ERR_BUSY, without another try. */
#define VERIFIER_RETRY_STALE_MS (30LL * 1000)
#define VERIFIER_RETRY_EMPTY_MS 1000
/* token_verifier_ready fetches so much earlier than a check would: while it is called more often
 * than that, no check waits for a fetch, however long auth takes to answer or to fail. */
#define VERIFIER_LEAD_MS (15LL * 1000)

struct verifier_clock {
    int64_t (*mono_ms)(void);
    int64_t (*wall_ms)(void);
};

/* token_verifier_new with other clocks. */
enum err verifier_new_with_clock(const char *issuer, const char *audience, token_fetch_fn *fetch,
                                 void *ctx, struct verifier_clock clock,
                                 struct token_verifier **ret_verifier, struct error *e) MUST_CHECK;

#endif
