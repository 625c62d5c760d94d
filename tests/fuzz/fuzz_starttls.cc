// What a server may send before TLS, to each of the protocols. The first octet of the input chooses
// the protocol; each "~~" ends what one read sees, so that an answer may come in pieces.
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "platform/dialer.h"
#include "platform/encoding.h"
#include "platform/starttls.h"

namespace {

using namespace signet;

constexpr std::size_t kMaxPreamble = 16 * 1024;
constexpr StartTls kProtocols[] = {StartTls::kSmtp, StartTls::kXmpp, StartTls::kXmppServer,
                                   StartTls::kLdap};

void Require(bool condition) {
  if (!condition) std::abort();
}

// The server's side: a packet for each piece, then the end.
void Serve(int fd, std::string_view bytes) {
  for (;;) {
    const std::size_t end = bytes.find("~~");
    const std::string_view piece = bytes.substr(0, end);
    if (!piece.empty() && ::send(fd, piece.data(), piece.size(), MSG_DONTWAIT) < 0) break;
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 2);
  }
  ::shutdown(fd, SHUT_WR);
}

std::string Heard(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
    all.append(buffer, static_cast<std::size_t>(got));
  return all;
}

// All that the client ever says, in its order.
std::string Script(StartTls protocol) {
  switch (protocol) {
    case StartTls::kSmtp:
      return "EHLO signet.invalid\r\nSTARTTLS\r\n";
    case StartTls::kLdap:
      return std::string("\x30\x1d\x02\x01\x01\x77\x18\x80\x16", 9) + "1.3.6.1.4.1.1466.20037";
    case StartTls::kXmpp:
    case StartTls::kXmppServer:
      return std::string("<?xml version='1.0'?><stream:stream to='peer.example' xmlns='jabber:") +
             (protocol == StartTls::kXmpp ? "client" : "server") +
             "' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
             "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    case StartTls::kNone:
      break;
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 2 * kMaxPreamble) return 0;
  const StartTls protocol = kProtocols[data[0] % std::size(kProtocols)];
  int pair[2];
  Require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
  Serve(pair[1], {reinterpret_cast<const char*>(data) + 1, size - 1});
  {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    Connection connection(pair[0], {}, deadline);
    const Status status = NegotiateStartTls(protocol, "peer.example", connection);
    Require(connection.bytes_read() <= kMaxPreamble);
    const std::string script = Script(protocol), heard = Heard(pair[1]);
    // The client goes on only when it was answered, and to TLS only after all it has to say.
    Require(script.starts_with(heard));
    if (status) {
      Require(heard == script);
    } else {
      const Error& error = status.error();
      Require(error.word == "STARTTLS_REFUSED" || error.word == "PEER_TOO_LARGE");
      Require(!error.remedy.empty() && EscapeLine(error.detail, 1u << 20) == error.detail);
    }
  }
  ::close(pair[1]);
  return 0;
}
