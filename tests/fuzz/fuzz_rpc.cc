// Bytes of a client through the real HTTP session, JSON-RPC and the gate, over a stream in memory.
// The first byte chooses the peer's role, how the bytes are cut into reads, and whether they are
// raw HTTP or the body of a correct request.
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rpc/http_session.h"
#include "rpc/json_rpc.h"
#include "rpc/openrpc.h"
#include "services/api.h"
#include "tests/rpc/fake_changes.h"

namespace signet::rpc {

namespace asio = boost::asio;

struct FuzzInput {
  std::optional<std::string> text;
  std::optional<std::vector<services::api::TrustUploadItem>> items;
  std::optional<std::int64_t> number;
  std::optional<bool> flag;
};
BOOST_DESCRIBE_STRUCT(FuzzInput, (), (text, items, number, flag))

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

asio::awaitable<Result<services::api::DownloadRequest>> Answer(Call, FuzzInput input) {
  services::api::DownloadRequest out;
  out.purpose = input.text.value_or("none");
  co_return out;
}

struct Wire {
  std::string_view input;
  std::size_t piece = 1;
  std::string output;
};

class MemoryTransport {
 public:
  MemoryTransport(asio::io_context& loop, Wire& wire, Role role, bool partial_writes)
      : loop_(&loop), wire_(&wire), role_(role), partial_writes_(partial_writes) {}

  static constexpr bool kSecure = true;
  template <class Handler>
  void Handshake(Handler handler) {
    handler(boost::system::error_code());
  }
  template <class Handler>
  void Read(char* data, std::size_t size, Handler handler) {
    Require(size > 0);
    const std::size_t count = std::min({size, wire_->piece, wire_->input.size()});
    std::memcpy(data, wire_->input.data(), count);
    wire_->input.remove_prefix(count);
    boost::system::error_code ec;
    if (count == 0 || closed_) ec = asio::error::eof;
    asio::post(*loop_, [handler = std::move(handler), ec, count]() mutable { handler(ec, count); });
  }
  template <class Handler>
  void ReadRaw(char* data, std::size_t size, Handler handler) {
    Read(data, size, std::move(handler));
  }
  std::size_t TryWrite(const char* data, std::size_t size) {
    const std::size_t count = partial_writes_ ? size / 2 : size;
    wire_->output.append(data, count);
    return count;
  }
  template <class Handler>
  void Write(const char* data, std::size_t size, Handler handler) {
    wire_->output.append(data, size);
    asio::post(*loop_, [handler = std::move(handler), size]() mutable {
      handler(boost::system::error_code(), size);
    });
  }
  template <class Handler>
  void Farewell(Handler handler) {
    handler(boost::system::error_code());
  }
  void Close() { closed_ = true; }
  Peer Identify() const {
    Peer peer;
    peer.actor = "fuzz";
    peer.role = role_;
    peer.local = true;
    return peer;
  }
  std::string OwnAddress() const { return "192.0.2.1"; }
  template <class Function>
  void Resume(Function function) {
    function();
  }

 private:
  asio::io_context* loop_;
  Wire* wire_;
  Role role_;
  bool partial_writes_;
  bool closed_ = false;
};

// What a client may rely on: whole answers, each with a head and a body of JSON.
void CheckOutput(std::string_view out) {
  while (!out.empty()) {
    Require(out.substr(0, 9) == "HTTP/1.1 ");
    const std::string status(out.substr(9, 3));
    const std::size_t end = out.find("\r\n\r\n");
    Require(end != std::string_view::npos);
    std::size_t size = 0;
    const std::size_t at = out.substr(0, end).find("Content-Length: ");
    Require((at == std::string_view::npos) == (status == "100" || status == "204"));
    if (at != std::string_view::npos)
      size = std::strtoul(std::string(out.substr(at + 16, 12)).c_str(), nullptr, 10);
    out.remove_prefix(end + 4);
    Require(out.size() >= size);
    if (size > 0) {
      auto parsed = ParseJson(out.substr(0, size), JsonLimits{64u << 20, 64});
      Require(parsed.has_value());
      Require(out.substr(0, size).find(R"("code":"INTERNAL")") == std::string_view::npos);
    }
    out.remove_prefix(size);
  }
}

MethodTable FuzzMethods() {
  MethodTable table;
  for (const Effect effect : {Effect::kRead, Effect::kUse, Effect::kChange}) {
    MethodRow row;
    row.name = std::string("f.") + "ruc"[static_cast<int>(effect)];
    row.access = effect == Effect::kChange ? Access::kOperate : Access::kEveryone;
    row.effect = effect;
    table.Add(MakeMethod<FuzzInput, services::api::DownloadRequest>(std::move(row), &Answer));
  }
  return table;
}

void Run(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto choice = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  std::string wrapped;
  if ((choice & 1) != 0) {
    wrapped =
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(bytes.size()) + "\r\n\r\n";
    wrapped.append(bytes);
    bytes = wrapped;
  }
  static MethodTable methods = [] {
    MethodTable table = FuzzMethods();
    return table;
  }();
  static const bool discovery = [] {
    AddDiscovery(methods);
    return true;
  }();
  (void)discovery;
  static const ApplianceView view = {[] { return hsm::TokenState::kOperational; },
                                     [] { return true; }};
  const auto memory = std::make_shared<ChangeMemory>();
  const auto runner = MakeFakeChanges(memory);
  Gate gate(methods, *runner, view);
  Endpoint endpoint(gate);
  asio::io_context loop{1};
  constexpr Role kRoles[] = {Role::kAdministrator, Role::kOperator, Role::kAuditor, Role::kNone};
  constexpr std::size_t kPieces[] = {1, 7, 1000, 1u << 20};
  Wire wire{bytes, kPieces[(choice >> 3) & 3], {}};
  HttpOptions options;
  options.limits.header = 2048;  // so that limits are met
  options.limits.body = 20000;
  options.limits.target = 64;
  auto registry = std::make_shared<SessionRegistry>(loop, options.sweep);
  auto context = std::make_shared<const SessionContext>(SessionContext{
      endpoint, view, loop.get_executor(), options, HostFilter({"node.example.com"}), registry});
  {
    MemoryTransport transport(loop, wire, kRoles[(choice >> 1) & 3], (choice & 32) != 0);
    std::make_shared<HttpSession<MemoryTransport>>(std::move(transport), context, nullptr)->Start();
  }
  while (registry->size() > 0) {
    loop.restart();
    Require(loop.poll() > 0);  // a session that waits for nothing would stay for ever
  }
  CheckOutput(wire.output);
}

}  // namespace
}  // namespace signet::rpc

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  signet::rpc::Run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
