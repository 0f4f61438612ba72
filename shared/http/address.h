/* Which address a request comes from: the peer's, or, behind a proxy that is trusted, the one the
 * proxy names. */
#ifndef UNREEL_HTTP_ADDRESS_H
#define UNREEL_HTTP_ADDRESS_H

#include "core/error.h"
#include "core/mem.h"

#define ADDRESS_SIZE 46

struct address_list;

/* "127.0.0.0/8,::1": networks and single addresses, separated by commas; "" is the empty list.
 * ERR_INVALID names the entry. */
enum err address_list_parse(const char *text, struct address_list **ret_list,
                            struct error *e) MUST_CHECK;
void address_list_free(struct address_list *list);
DEFINE_AUTO(struct address_list *, address_list_free)

/* The last address of the chain "forwarded, peer" that is no trusted proxy. forwarded: the value of
 * X-Forwarded-For, or NULL. A chain that cannot be read counts up to where it can be. */
void address_client(const struct address_list *trusted, const char *peer, const char *forwarded,
                    char ret_address[ADDRESS_SIZE]);

/* What one client can hold many of counts once: an IPv6 address becomes its /64 network. */
void address_network(const char *address, char ret_network[ADDRESS_SIZE]);

#endif
