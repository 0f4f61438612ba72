#include "http/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define NETWORKS_MAX 64
#define HOPS_MAX 16
#define V4_PREFIX 96 /* bits of ::ffff:0:0/96 */

/* All addresses are IPv6 inside; IPv4 ones are mapped. */
struct network {
    struct in6_addr address;
    unsigned bits;
};

struct address_list {
    size_t count;
    struct network networks[NETWORKS_MAX];
};

static bool parse_address(const char *text, struct in6_addr *ret, bool *ret_is_v4)
{
    struct in_addr v4;
    *ret_is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    if (!*ret_is_v4) {
        return inet_pton(AF_INET6, text, ret) == 1;
    }
    memset(ret, 0, sizeof(*ret));
    ret->s6_addr[10] = 0xff;
    ret->s6_addr[11] = 0xff;
    memcpy(&ret->s6_addr[12], &v4, sizeof(v4));
    return true;
}

static void format_address(const struct in6_addr *address, char ret[ADDRESS_SIZE])
{
    const char *text = IN6_IS_ADDR_V4MAPPED(address)
                           ? inet_ntop(AF_INET, &address->s6_addr[12], ret, ADDRESS_SIZE)
                           : inet_ntop(AF_INET6, address, ret, ADDRESS_SIZE);
    if (text == NULL) {
        ret[0] = '\0';
    }
}

static bool is_in_network(const struct network *n, const struct in6_addr *address)
{
    for (unsigned bit = 0; bit < n->bits; bit += 8) {
        const unsigned left = n->bits - bit;
        const unsigned mask = left >= 8 ? 0xffU : (0xff00U >> left) & 0xffU;
        if ((n->address.s6_addr[bit / 8] & mask) != (address->s6_addr[bit / 8] & mask)) {
            return false;
        }
    }
    return true;
}

static bool is_trusted(const struct address_list *list, const struct in6_addr *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_in_network(&list->networks[i], address)) {
            return true;
        }
    }
    return false;
}

static enum err parse_network(char *text, struct network *ret, struct error *e)
{
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    bool is_v4 = false;
    int64_t bits = 0;
    if (!parse_address(text, &ret->address, &is_v4)) {
        return err_set(e, ERR_INVALID, "\"%.60s\" is no address or network", text);
    }
    const int64_t max = is_v4 ? 32 : 128;
    if (slash == NULL) {
        bits = max;
    } else if (text_to_int64(slash + 1, 0, max, &bits) != OK) {
        return err_set(e, ERR_INVALID, "\"%.60s/%.10s\" is no network", text, slash + 1);
    }
    ret->bits = (unsigned)bits + (is_v4 ? V4_PREFIX : 0);
    return OK;
}

enum err address_list_parse(const char *text, struct address_list **ret_list, struct error *e)
{
    AUTO(address_list_free) struct address_list *list = xcalloc(1, sizeof(*list));
    AUTO(mem_free) char *copy = xstrdup(text);
    char *rest = copy;
    for (char *entry = strsep(&rest, ","); entry != NULL; entry = strsep(&rest, ",")) {
        entry += strspn(entry, " ");
        entry[strcspn(entry, " ")] = '\0';
        if (entry[0] == '\0') {
            continue;
        }
        if (list->count == NETWORKS_MAX) {
            return err_set(e, ERR_INVALID, "more than %d networks", NETWORKS_MAX);
        }
        const enum err code = parse_network(entry, &list->networks[list->count], e);
        if (code != OK) {
            return code;
        }
        list->count++;
    }
    *ret_list = TAKE(list);
    return OK;
}

void address_list_free(struct address_list *list)
{
    free(list);
}

void address_client(const struct address_list *trusted, const char *peer, const char *forwarded,
                    char ret_address[ADDRESS_SIZE])
{
    struct in6_addr address;
    bool is_v4 = false;
    if (!parse_address(peer, &address, &is_v4)) {
        (void)text_copy(ret_address, ADDRESS_SIZE, peer);
        return;
    }
    const char *end = forwarded == NULL ? NULL : forwarded + strlen(forwarded);
    for (int hop = 0; end != NULL && hop < HOPS_MAX && is_trusted(trusted, &address); hop++) {
        const char *start = end;
        while (start > forwarded && start[-1] != ',') {
            start--;
        }
        const char *first = start + strspn(start, " \t");
        size_t len = first < end ? (size_t)(end - first) : 0;
        while (len > 0 && (first[len - 1] == ' ' || first[len - 1] == '\t')) {
            len--;
        }
        char text[ADDRESS_SIZE];
        struct in6_addr next;
        if (len == 0 || len >= sizeof(text)) {
            break;
        }
        memcpy(text, first, len);
        text[len] = '\0';
        if (!parse_address(text, &next, &is_v4)) {
            break;
        }
        address = next;
        end = start > forwarded ? start - 1 : NULL;
    }
    format_address(&address, ret_address);
}

void address_network(const char *address, char ret_network[ADDRESS_SIZE])
{
    struct in6_addr parsed;
    bool is_v4 = false;
    if (!parse_address(address, &parsed, &is_v4) || IN6_IS_ADDR_V4MAPPED(&parsed)) {
        (void)text_copy(ret_network, ADDRESS_SIZE, address);
        return;
    }
    memset(&parsed.s6_addr[8], 0, 8);
    format_address(&parsed, ret_network);
}
