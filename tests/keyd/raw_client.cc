#include "tests/keyd/raw_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace signet::testing {

using hsm::wire::Reader;
using hsm::wire::Writer;

std::string Number(CK_ULONG number) {
  std::string out;
  Writer(out).Number(number);
  return out;
}

std::string Word(std::uint32_t word) {
  std::string out;
  Writer(out).Word(word);
  return out;
}

std::string Octets(std::string_view octets) {
  std::string out;
  Writer(out).Octets(octets);
  return out;
}

std::string Array(std::string_view octets) {
  std::string out;
  Writer(out).Array(octets);
  return out;
}

std::string MechanismOctets(CK_MECHANISM_TYPE type, std::string_view parameter) {
  return Word(static_cast<std::uint32_t>(type)) +
         (parameter.empty() ? Word(0xffffffff) : Octets(parameter));
}

std::string HelloArguments(std::string_view credential) {
  return Array(hsm::wire::kHandshake) + std::string(1, '\1') + Array(credential);
}

RawClient::RawClient(const std::string& socket) {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{2, 0};  // of connect, too: a queue may be full
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Close();
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), next_(other.next_) {}

void RawClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int RawClient::Release() { return std::exchange(fd_, -1); }

bool RawClient::Send(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<std::string> RawClient::Receive(std::size_t size, double seconds) {
  std::string octets(size, '\0');
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (std::size_t at = 0; at < size;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd wait{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0)
      return std::nullopt;
    const ssize_t got = ::recv(fd_, octets.data() + at, size - at, 0);
    if (got <= 0) return std::nullopt;
    at += static_cast<std::size_t>(got);
  }
  return octets;
}

bool RawClient::Closes(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd wait{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    if (::recv(fd_, buffer, sizeof buffer, 0) <= 0) return true;
  }
}

std::optional<RawClient::Answer> RawClient::ReadAnswer(double seconds) {
  const auto head = Receive(hsm::wire::kHeaderSize, seconds);
  if (!head) return std::nullopt;
  const hsm::wire::Header header = hsm::wire::ReadHeader(*head);
  const auto body = Receive(header.options + header.body, seconds);
  if (!body) return std::nullopt;
  Reader reader(std::string_view(*body).substr(header.options));
  Answer answer;
  answer.there = true;
  answer.code = header.code;
  answer.call = reader.Word();
  answer.signature = reader.Octets().value_or("");
  answer.arguments = body->substr(header.options + 8 + answer.signature.size());
  answer.error = answer.call == 0 ? Reader(answer.arguments).Number() : CKR_OK;
  return answer;
}

RawClient::Answer RawClient::Call(hsm::wire::Call call, std::string_view signature,
                                  std::string_view arguments, double seconds) {
  if (!Send(hsm::wire::Frame(next_++, static_cast<std::uint32_t>(call), signature, arguments)))
    return {};
  return ReadAnswer(seconds).value_or(Answer{});
}

CK_RV RawClient::Greet(std::string_view credential) {
  if (!Send(std::string(1, '\0')) || Receive(1) != std::string(1, '\0')) return CKR_DEVICE_REMOVED;
  const Answer answer = Call(hsm::wire::Call::kInitialize, "ayyay", HelloArguments(credential));
  return answer.error;
}

CK_SESSION_HANDLE RawClient::Open() {
  const Answer answer =
      Call(hsm::wire::Call::kOpenSession, "uu", Number(1) + Number(CKF_SERIAL_SESSION));
  return answer.error == CKR_OK ? Reader(answer.arguments).Number() : 0;
}

CK_OBJECT_HANDLE RawClient::Key(CK_SESSION_HANDLE session, const std::string& label) {
  std::string match;
  Writer(match).Template(
      {hsm::wire::NumberAttribute(CKA_CLASS, CKO_PRIVATE_KEY), {CKA_LABEL, label}});
  Call(hsm::wire::Call::kFindObjectsInit, "uaA", Number(session) + match);
  const Answer found = Call(hsm::wire::Call::kFindObjects, "ufu", Number(session) + Word(1));
  Call(hsm::wire::Call::kFindObjectsFinal, "u", Number(session));
  Reader reader(found.arguments);
  reader.Byte();
  return reader.Word() == 1 ? reader.Number() : 0;
}

CK_RV RawClient::Sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, std::string_view mechanism,
                      std::string_view data, std::string* signature) {
  Answer answer = Call(hsm::wire::Call::kSignInit, "uMu",
                       Number(session) + std::string(mechanism) + Number(key));
  if (answer.error != CKR_OK) return answer.error;
  answer = Call(hsm::wire::Call::kSign, "uayfy", Number(session) + Array(data) + Word(1024));
  if (signature != nullptr) *signature = Reader(answer.arguments).Array();
  return answer.error;
}

}  // namespace signet::testing
