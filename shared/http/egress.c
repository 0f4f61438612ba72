/* The guard of calls to URLs that users give: the address that is really connected to is checked,
 * so a name that resolves to something else a moment later gains nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "core/attr.h"
#include "http/client.h"
#include "http/client_impl.h"

#include "core/banned.h"

struct block4 {
    uint32_t network;
    int bits;
};

/* IANA's special-purpose registry: what is not globally reachable. */
static const struct block4 blocks4[] = {
    { 0x00000000, 8 },  /* this network */
    { 0x0a000000, 8 },  /* private */
    { 0x64400000, 10 }, /* carrier-grade NAT */
    { 0x7f000000, 8 },  /* loopback */
    { 0xa9fe0000, 16 }, /* link-local, cloud metadata */
    { 0xac100000, 12 }, /* private */
    { 0xc0000000, 24 }, /* protocol assignments */
    { 0xc0000200, 24 }, /* documentation */
    { 0xc0586300, 24 }, /* 6to4 relays */
    { 0xc0a80000, 16 }, /* private */
    { 0xc6120000, 15 }, /* benchmarks */
    { 0xc6336400, 24 }, /* documentation */
    { 0xcb007100, 24 }, /* documentation */
    { 0xe0000000, 4 },  /* multicast */
    { 0xf0000000, 4 },  /* reserved, broadcast */
};

struct block6 {
    unsigned char network[16];
    int bits;
};

static const struct block6 blocks6[] = {
    { { 0 }, 96 },                                  /* ::, ::1, IPv4-compatible */
    { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 }, /* local NAT64 */
    { { 0x01, 0x00 }, 64 },                         /* discard */
    { { 0x20, 0x01, 0x00 }, 23 },                   /* Teredo, ORCHID and others */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },             /* documentation */
    { { 0x3f, 0xff }, 20 },                         /* documentation */
    { { 0x5f, 0x00 }, 16 },                         /* segment routing */
    { { 0xfc }, 7 },                                /* unique local */
    { { 0xfe, 0x80 }, 10 },                         /* link-local */
    { { 0xfe, 0xc0 }, 10 },                         /* site-local */
    { { 0xff }, 8 },                                /* multicast */
};

static bool is_private4(uint32_t address)
{
    for (size_t i = 0; i < ARRAY_LEN(blocks4); i++) {
        uint32_t mask = UINT32_MAX << (32 - blocks4[i].bits);
        if ((address & mask) == blocks4[i].network) {
            return true;
        }
    }
    return false;
}

static bool has_prefix(const unsigned char *address, const unsigned char *network, int bits)
{
    size_t bytes = (size_t)(bits / 8);
    if (memcmp(address, network, bytes) != 0) {
        return false;
    }
    int rest = bits % 8;
    unsigned mask = rest > 0 ? (0xffU << (8 - rest)) & 0xffU : 0;
    return rest == 0 || (address[bytes] & mask) == (network[bytes] & mask);
}

static uint32_t read4(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_private6(const unsigned char *address)
{
    /* Addresses that carry an IPv4 address are what that one is. */
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    static const unsigned char six_to_four[2] = { 0x20, 0x02 };
    if (has_prefix(address, mapped, 96) || has_prefix(address, nat64, 96)) {
        return is_private4(read4(address + 12));
    }
    if (has_prefix(address, six_to_four, 16)) {
        return is_private4(read4(address + 2));
    }
    for (size_t i = 0; i < ARRAY_LEN(blocks6); i++) {
        if (has_prefix(address, blocks6[i].network, blocks6[i].bits)) {
            return true;
        }
    }
    return false;
}

bool egress_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return is_private4(ntohl(in->sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        return is_private6(in6->sin6_addr.s6_addr);
    }
    return true;
}

bool http_client_is_private_address(const char *address)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET, address, bytes) == 1) {
        return is_private4(read4(bytes));
    }
    if (inet_pton(AF_INET6, address, bytes) == 1) {
        return is_private6(bytes);
    }
    return true;
}

static curl_socket_t open_public_socket(void *ctx, curlsocktype purpose,
                                        struct curl_sockaddr *address)
{
    bool *denied = ctx;
    if (purpose != CURLSOCKTYPE_IPCXN || egress_is_private(&address->addr)) {
        *denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void egress_guard(CURL *curl, bool *ret_denied)
{
    *ret_denied = false;
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_public_socket);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, ret_denied);
    /* A connection that another call made was not checked. */
    (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}
