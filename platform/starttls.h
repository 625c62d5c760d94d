// How TLS begins inside a protocol that starts in the clear: RFC 6120 section 5 (XMPP), RFC 3207
// (SMTP), RFC 4511 section 4.14 (LDAP). Only the way to TLS: no credentials, no mail, no query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/dialer.h"
#include "platform/error.h"

namespace signet {

enum class StartTls : std::uint8_t { kNone, kXmpp, kXmppServer, kSmtp, kLdap };

// "none", "xmpp", "xmpp-server", "smtp", "ldap".
std::string_view StartTlsName(StartTls protocol);
std::optional<StartTls> StartTlsFromName(std::string_view name);

// Leaves the connection where the client's first TLS octet belongs. `host` is what ParseHostPort
// made of it: it goes into XML as it is. At most 16 KiB are read. kRefused STARTTLS_REFUSED when
// the server does not offer TLS, refuses it, closes, speaks another protocol, or sends more than
// its answer; kTimeout HANDSHAKE_TIMED_OUT; kRefused PEER_TOO_LARGE.
Status NegotiateStartTls(StartTls protocol, const std::string& host, Connection& connection);

}  // namespace signet
