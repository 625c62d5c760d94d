#include "hsm/control_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hsm/control_words.h"
#include "hsm/wire/calls.h"
#include "hsm/wire/message.h"

namespace signet::hsm {
namespace {

constexpr std::size_t kMaxAnswer = 8u << 20;
constexpr Duration kGreeting = std::chrono::seconds(3);

Error Unreachable(const std::string& socket, const std::string& why) {
  return MakeError(Kind::kTokenFailed, "KEYD_UNREACHABLE",
                   "signet-keyd, which owns the token, does not answer on " + socket + ": " + why,
                   "Start signet-keyd (systemctl start signet-keyd) and look at its log.");
}

// A frame whose arguments may hold a PIN: in memory that is wiped.
WipedString SecretFrame(std::uint32_t code, wire::Call call, std::string_view signature,
                        std::string_view name, std::string_view octets) {
  std::string head;
  wire::Writer writer(head);
  const bool control = call == wire::Call::kControl;
  const std::size_t arguments = (control ? 4 + name.size() : 0) + 5 + octets.size();
  writer.Word(code);
  writer.Word(0);
  writer.Word(static_cast<std::uint32_t>(8 + signature.size() + arguments));
  writer.Word(static_cast<std::uint32_t>(call));
  writer.Octets(signature);
  if (control) writer.Octets(name);
  writer.Byte(1);
  writer.Word(static_cast<std::uint32_t>(octets.size()));
  WipedString frame;
  frame.reserve(std::max<std::size_t>(64, head.size() + octets.size()));
  frame.append(head);
  frame.append(octets);
  return frame;
}

}  // namespace

ControlChannel::~ControlChannel() { Close(); }

void ControlChannel::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

pid_t ControlChannel::peer() const {
  const std::lock_guard lock(mutex_);
  return peer_;
}

Status ControlChannel::Fill(char* into, std::size_t size, SteadyTime until) {
  while (size > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd wait{fd_, POLLIN, 0};
    if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) == 0) {
      return Unreachable(socket_, "no answer in time");
    }
    const ssize_t got = recv(fd_, into, size, MSG_DONTWAIT);
    if (got > 0) {
      into += got;
      size -= static_cast<std::size_t>(got);
    } else if (got == 0) {
      return Unreachable(socket_, "it closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
      return Unreachable(socket_, std::strerror(errno));
    }
  }
  return Ok();
}

Status ControlChannel::Exchange(const WipedString& frame, std::string& answer, SteadyTime until) {
  for (std::size_t sent = 0; sent < frame.size();) {
    pollfd wait{fd_, POLLOUT, 0};
    if (poll(&wait, 1, 1000) <= 0 && std::chrono::steady_clock::now() > until) {
      return Unreachable(socket_, "it does not read");
    }
    const ssize_t done =
        send(fd_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done > 0) {
      sent += static_cast<std::size_t>(done);
    } else if (errno != EAGAIN && errno != EINTR) {
      return Unreachable(socket_, std::strerror(errno));
    }
  }
  char head[wire::kHeaderSize];
  SIGNET_TRY(Fill(head, sizeof head, until));
  const wire::Header header = wire::ReadHeader({head, sizeof head});
  if (header.options != 0 || header.body > kMaxAnswer) {
    return Unreachable(socket_, "it speaks another protocol");
  }
  answer.resize(header.body);
  return Fill(answer.data(), answer.size(), until);
}

Status ControlChannel::Connect() {
  char octet = 0;
  // A connection whose other side is gone says so before anything is sent.
  if (fd_ >= 0 && recv(fd_, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) return Ok();
  Close();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof address.sun_path)
    return Unreachable(socket_, "the path is too long");
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return ErrnoError(errno, "socket", socket_);
  // Of a process that is stopped the queue fills up, and connect would wait for ever.
  const timeval patience{kGreeting / std::chrono::seconds(1), 0};
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int problem = errno;
    Close();
    return Unreachable(socket_, std::strerror(problem));
  }
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) peer_ = credentials.pid;
  const auto until = std::chrono::steady_clock::now() + kGreeting;
  std::string arguments;
  wire::Writer writer(arguments);
  writer.Array(wire::kHandshake);
  writer.Byte(1);
  writer.Array(credential_.Reveal());
  const std::string frame =
      wire::Frame(code_++, static_cast<std::uint32_t>(wire::Call::kInitialize), "ayyay", arguments);
  WipedString greeting;
  greeting.reserve(frame.size() + 64);
  greeting.push_back('\0');  // version 0
  greeting.append(frame);
  // The version comes back ahead of the first answer.
  const auto greet = [&]() -> Status {
    if (send(fd_, greeting.data(), 1, MSG_NOSIGNAL) != 1) {
      return Unreachable(socket_, std::strerror(errno));
    }
    SIGNET_TRY(Fill(&octet, 1, until));
    greeting.erase(0, 1);
    std::string answer;
    SIGNET_TRY(Exchange(greeting, answer, until));
    wire::Reader reader(answer);
    if (reader.Word() == static_cast<std::uint32_t>(wire::Call::kInitialize)) return Ok();
    return Unreachable(socket_, "it refuses the credential of signetd");
  };
  auto greeted = greet();
  if (!greeted) Close();
  return greeted;
}

Result<json::value> ControlChannel::Call(std::string_view method, std::string_view octets,
                                         Duration limit) {
  const std::lock_guard lock(mutex_);
  SIGNET_TRY(Connect());
  const WipedString frame = SecretFrame(code_++, wire::Call::kControl, "zay", method, octets);
  std::string answer;
  const Status done = Exchange(frame, answer, std::chrono::steady_clock::now() + limit);
  if (!done) {
    Close();  // a late answer must not be taken for that of the next call
    return done.error();
  }
  wire::Reader reader(answer);
  const bool right = reader.Word() == static_cast<std::uint32_t>(wire::Call::kControl);
  reader.Octets();
  const std::string_view text = reader.Array();
  if (!right || !reader.AtEnd()) {
    Close();
    return Unreachable(socket_, "it speaks another protocol");
  }
  SIGNET_TRY(auto document, ParseJson(text, {kMaxAnswer, 16, false}));
  if (const json::value* result = document.get_object().if_contains("result")) return *result;
  const json::value* error = document.get_object().if_contains("error");
  if (error == nullptr) return Unreachable(socket_, "it speaks another protocol");
  SIGNET_TRY(auto words, FromJson<control::ErrorAnswer>(*error));
  return MakeError(KindFromName(words.kind), words.word, words.detail, words.remedy);
}

}  // namespace signet::hsm
