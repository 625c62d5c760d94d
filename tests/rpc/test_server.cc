#include "tests/rpc/test_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "keystore/node_log.h"
#include "services/api.h"

namespace signet::rpc {

namespace asio = boost::asio;

struct EchoInput {
  std::optional<std::string> text;
};
BOOST_DESCRIBE_STRUCT(EchoInput, (), (text))
struct SlowInput {
  std::int64_t milliseconds = 0;
};
BOOST_DESCRIBE_STRUCT(SlowInput, (), (milliseconds))
struct EchoOutput {
  std::string text, actor, role;
};
BOOST_DESCRIBE_STRUCT(EchoOutput, (), (text, actor, role))

namespace {

MethodRow Row(std::string name, Access access, Effect effect = Effect::kRead,
              TokenNeed token = TokenNeed::kNone, bool local_only = false) {
  MethodRow row;
  row.summary = "For tests: " + name + ".";
  row.name = std::move(name);
  row.access = access;
  row.token = token;
  row.effect = effect;
  row.local_only = local_only;
  return row;
}

asio::awaitable<Result<EchoOutput>> Echo(Call call, EchoInput input) {
  EchoOutput out;
  out.text = input.text.value_or("");
  out.actor = call.context.actor;
  out.role = std::string(services::RoleName(call.context.role));
  co_return out;
}

asio::awaitable<Result<EchoOutput>> Slow(Call, SlowInput input) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::milliseconds(input.milliseconds));
  co_await timer.async_wait(asio::use_awaitable);
  EchoOutput out;
  out.text = "slow";
  co_return out;
}

void AddEcho(MethodTable& table, MethodRow row) {
  table.Add(MakeMethod<EchoInput, EchoOutput>(std::move(row), &Echo));
}

}  // namespace

MethodTable TestMethods() {
  MethodTable table;
  AddEcho(table, Row("test.echo", Access::kEveryone));
  MethodRow large = Row("test.large", Access::kEveryone);
  large.large = true;
  AddEcho(table, large);
  AddEcho(table, Row("test.read", Access::kRead));
  AddEcho(table, Row("test.change", Access::kOperate, Effect::kChange));
  AddEcho(table, Row("test.administer", Access::kAdminister, Effect::kChange));
  AddEcho(table, Row("test.sign", Access::kSign, Effect::kUse, TokenNeed::kOperational));
  AddEcho(table, Row("test.local", Access::kRead, Effect::kRead, TokenNeed::kNone, true));
  AddEcho(table, Row("test.token", Access::kOperate, Effect::kChange, TokenNeed::kOperational));
  table.Add(MakeMethod<SlowInput, EchoOutput>(Row("test.slow", Access::kEveryone), &Slow));
  table.Add(MakeMethod<services::api::Empty, EchoOutput>(
      Row("test.defect", Access::kEveryone),
      [](Call, services::api::Empty) -> asio::awaitable<Result<EchoOutput>> {
        co_return InternalError("the secret inside");
      }));
  table.Add(MakeMethod<services::api::Empty, EchoOutput>(
      Row("test.throw", Access::kEveryone),
      [](Call, services::api::Empty) -> asio::awaitable<Result<EchoOutput>> {
        throw std::runtime_error("the secret inside");
        co_return EchoOutput{};
      }));
  table.Add(MakeMethod<services::api::Empty, EchoOutput>(
      Row("test.refuse", Access::kEveryone),
      [](Call, services::api::Empty) -> asio::awaitable<Result<EchoOutput>> {
        Error error = MakeError(Kind::kRefused, "KEY_MISMATCH", "no such key", "Use the other.");
        Finding finding;
        finding.id = "SAN_MISSING";
        error.findings.push_back(finding);
        co_return error;
      }));
  MethodRow unlock =
      Row("test.unlock", Access::kAdminister, Effect::kChange, TokenNeed::kNone, true);
  unlock.secret = true;
  table.Add(MakeMethod<services::api::UnlockRequest, EchoOutput>(
      std::move(unlock),
      [](Call, services::api::UnlockRequest) -> asio::awaitable<Result<EchoOutput>> {
        co_return EchoOutput{};
      }));
  return table;
}

TestServer::TestServer(std::function<void(ServerOptions&)> adjust)
    : adjust_(std::move(adjust)), clock_(MakeSystemClock()) {
  std::string name = std::filesystem::temp_directory_path() / "signet-rpc-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  directory_ = name;
  Begin(true);
}

void TestServer::Begin(bool first) {
  log_ = keystore::NodeLog::Open(NodeLogFile(), first, *clock_).value();
  lane_ = std::make_unique<Lane>("store", 1, 256);
  events_ = std::make_unique<services::Events>(*log_, *lane_, *clock_);
  ServerOptions options;
  options.local.path = socket();
  TlsOptions tls;
  tls.hosts = {"node.example.com"};
  options.tls = tls;
  options.grace = std::chrono::seconds(2);
  if (adjust_) adjust_(options);
  ApplianceView view;
  view.token_state = [this] { return state.load(); };
  view.ready = [this] { return ready.load(); };
  view.events = events_.get();
  runner_ = MakeFakeChanges(changes);
  auto opened =
      Server::Open(main_, std::move(options), TestMethods(), *runner_, std::move(view), *clock_);
  if (!opened) {
    ADD_FAILURE() << opened.error().ToString();
    return;
  }
  server_ = std::move(opened).value();
  server_->Start();
  stopped_ = false;
  thread_ = std::thread([this] {
    main_.restart();
    main_.run();
  });
}

void TestServer::SettleEvents() {
  // A long queue is written in several jobs; two rounds without a delivery mean that none is left.
  for (int quiet = 0; quiet < 2; ++quiet) {
    const std::uint64_t before = events_->Position();
    std::promise<void> done;
    if (!lane_->TryPost([&] { done.set_value(); })) return;
    done.get_future().wait();
    if (events_->Position() != before) quiet = -1;
  }
}

void TestServer::Stop() {
  if (stopped_ || server_ == nullptr) return;
  stopped_ = true;
  asio::co_spawn(main_, server_->Stop(), [this](const std::exception_ptr&) { main_.stop(); });
  thread_.join();
  server_.reset();
}

void TestServer::Restart(const std::function<void()>& meanwhile) {
  Stop();
  lane_.reset();
  events_.reset();
  log_.reset();
  if (meanwhile) meanwhile();
  Begin(false);
}

TestServer::~TestServer() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

ServerIdentity TestServer::Identity(const std::string& name) {
  const std::string base = Path(name);
  if (!std::filesystem::exists(base + ".pem")) {
    Shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout " + base + ".key -out " + base +
          ".pem -days 30 -subj /CN=" + name + " -addext subjectAltName=DNS:localhost");
  }
  ServerIdentity identity;
  FILE* file = fopen((base + ".key").c_str(), "r");
  identity.key.reset(PEM_read_PrivateKey(file, nullptr, nullptr, nullptr), EVP_PKEY_free);
  fclose(file);
  file = fopen((base + ".pem").c_str(), "r");
  X509* certificate = PEM_read_X509(file, nullptr, nullptr, nullptr);
  fclose(file);
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  identity.chain.emplace_back(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  X509_free(certificate);
  return identity;
}

RawClient RawClient::Unix(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return RawClient(-1);
  }
  const timeval wait{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
  return RawClient(fd);
}

RawClient RawClient::Tcp(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return RawClient(-1);
  }
  const timeval wait{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  return RawClient(fd);
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string RawClient::ReadSome() {
  if (!left_.empty()) return std::exchange(left_, {});
  char buffer[65536];
  const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
  return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : std::string();
}

std::string RawClient::ReadToEnd() {
  std::string all;
  while (true) {
    const std::string piece = ReadSome();
    if (piece.empty()) return all;
    all += piece;
  }
}

std::string RawClient::ReadResponse() {
  std::string all;
  while (true) {
    const std::size_t end = all.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t at = all.find("Content-Length: ");
      const std::size_t size = at < end ? std::stoul(all.substr(at + 16)) : 0;
      if (all.size() >= end + 4 + size) {
        left_ = all.substr(end + 4 + size);
        all.resize(end + 4 + size);
        return all;
      }
    }
    const std::string piece = ReadSome();
    if (piece.empty()) return all;
    all += piece;
  }
}

std::string Post(std::string_view body, std::string_view extra_headers) {
  std::string out =
      "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n";
  return out.append(extra_headers).append("\r\n").append(body);
}

int StatusOf(std::string_view response) {
  if (response.size() < 12) return 0;
  return std::atoi(std::string(response.substr(9, 3)).c_str());
}

json::value BodyOf(std::string_view response) {
  const std::size_t end = response.find("\r\n\r\n");
  if (end == std::string_view::npos) return nullptr;
  boost::system::error_code ec;
  return json::parse(response.substr(end + 4), ec);
}

std::string Shell(const std::string& command) {
  FILE* pipe = popen(("(" + command + ") 2>&1").c_str(), "r");
  std::string out;
  char buffer[4096];
  std::size_t count = 0;
  while ((count = fread(buffer, 1, sizeof(buffer), pipe)) > 0) out.append(buffer, count);
  pclose(pipe);
  return out;
}

}  // namespace signet::rpc
