#include "rpc/tls_listener.h"

#include <sys/socket.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "platform/logging.h"
#include "rpc/http_session.h"
#include "rpc/tls_context.h"

namespace signet::rpc {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using TcpAcceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using TlsStream = asio::ssl::stream<TcpSocket>;
using ErrorCode = boost::system::error_code;

// Everything of the listener's thread. Sessions that wait for the main loop keep it alive.
struct TlsListener::Core : std::enable_shared_from_this<TlsListener::Core> {
  Core(asio::io_context& main, TlsOptions given, Service service, RemoteClients listed,
       const Clock& clock)
      : options(std::move(given)),
        clients(std::move(listed)),
        acceptor(loop.get_executor()),
        pause(loop.get_executor()),
        work(loop.get_executor()),
        caps(options.max_connections, options.per_address, 0),
        state{clock, nullptr},
        registry(std::make_shared<SessionRegistry>(loop, options.http.sweep)) {
    std::vector<std::string> hosts = options.hosts;
    hosts.push_back(options.address);
    context = std::make_shared<const SessionContext>(
        SessionContext{service.endpoint, service.view, main.get_executor(), options.http,
                       HostFilter(std::move(hosts)), registry});
  }

  Status Bind();
  void Accept();
  void Pause();
  void Take(TcpSocket socket);
  void EndHandshakes();

  // Runs `function` on the loop; drops it when the loop has ended.
  template <class Function>
  void Post(Function function) {
    const std::lock_guard lock(mutex);
    if (!ended) asio::post(loop, std::move(function));
  }

  asio::io_context loop{1};
  TlsOptions options;
  RemoteClients clients;
  TcpAcceptor acceptor;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, Executor>
      pause;
  asio::executor_work_guard<Executor> work;
  ConnectionCaps caps;
  TlsState state;
  std::unique_ptr<asio::ssl::context> tls;
  std::shared_ptr<SessionRegistry> registry;
  std::shared_ptr<const SessionContext> context;
  std::vector<std::weak_ptr<Session>> handshakes;
  std::uint16_t port = 0;

  std::mutex mutex;  // of what follows
  std::condition_variable changed;
  bool ended = false;
  std::thread::id thread;
};

namespace {

class TlsTransport {
 public:
  static constexpr bool kSecure = true;

  TlsTransport(TcpSocket socket, std::shared_ptr<TlsListener::Core> core, std::string origin,
               std::string own)
      : core_(std::move(core)),
        stream_(std::make_unique<TlsStream>(std::move(socket), *core_->tls)),
        origin_(std::move(origin)),
        own_(std::move(own)) {}

  template <class Handler>
  void Handshake(Handler handler) {
    stream_->async_handshake(asio::ssl::stream_base::server, std::move(handler));
  }
  template <class Handler>
  void Read(char* data, std::size_t size, Handler handler) {
    stream_->async_read_some(asio::buffer(data, size), std::move(handler));
  }
  std::size_t TryWrite(const char*, std::size_t) { return 0; }
  template <class Handler>
  void Write(const char* data, std::size_t size, Handler handler) {
    asio::async_write(*stream_, asio::buffer(data, size), std::move(handler));
  }
  // Sends close_notify and waits for the peer's, at most as long as the session lingers.
  template <class Handler>
  void Farewell(Handler handler) {
    stream_->async_shutdown([this, handler = std::move(handler)](const ErrorCode& ec) mutable {
      ErrorCode ignored;
      stream_->next_layer().shutdown(TcpSocket::shutdown_send, ignored);
      handler(ec);
    });
  }
  template <class Handler>
  void ReadRaw(char* data, std::size_t size, Handler handler) {
    stream_->next_layer().async_read_some(asio::buffer(data, size), std::move(handler));
  }
  void Close() {
    ErrorCode ec;
    stream_->next_layer().close(ec);
  }
  Peer Identify() {
    // The connection needs the server's key no more: a token can be closed while it lives.
    SSL_certs_clear(stream_->native_handle());
    Peer peer = core_->clients.Identify(PeerFingerprint(stream_->native_handle()), origin_);
    const auto& client_seen = core_->context->view.client_seen;
    if (client_seen && peer.role != services::Role::kNone)
      client_seen(PeerCertificate(stream_->native_handle()));
    return peer;
  }
  std::string OwnAddress() const { return own_; }
  template <class Function>
  void Resume(Function function) {
    const std::shared_ptr<TlsListener::Core> core = core_;
    core->Post(std::move(function));
  }

 private:
  std::shared_ptr<TlsListener::Core> core_;
  std::unique_ptr<TlsStream> stream_;
  std::string origin_, own_;
};

}  // namespace

Status TlsListener::Core::Bind() {
  ErrorCode ec;
  const asio::ip::address address = asio::ip::make_address(options.address, ec);
  if (ec) {
    return MakeError(Kind::kUsage, "LISTEN_ADDRESS_INVALID",
                     "'" + EscapeLine(options.address, 64) + "' is no IP address",
                     "Give an address and port such as 127.0.0.1:8443.");
  }
  const std::string name = options.address + ":" + std::to_string(options.port);
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(TcpAcceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(512, ec);
  if (ec == asio::error::address_in_use) {
    return MakeError(Kind::kConflict, "ADDRESS_IN_USE", "another program listens on " + name,
                     "Choose another port, or stop that program.");
  }
  if (ec) return ErrnoError(ec.value(), "listen on", name);
  port = acceptor.local_endpoint(ec).port();
  SIGNET_TRY(SSL_CTX * native, MakeServerContext(&state));
  tls = std::make_unique<asio::ssl::context>(native);
  return Ok();
}

void TlsListener::Core::Accept() {
  acceptor.async_accept([self = shared_from_this()](const ErrorCode& ec, TcpSocket socket) {
    if (!self->acceptor.is_open()) return;
    // A connection that was gone before it was taken says nothing about the next one.
    if (ec && ec != asio::error::connection_aborted) return self->Pause();
    if (!ec) self->Take(std::move(socket));
    self->Accept();
  });
}

void TlsListener::Core::Pause() {
  pause.expires_after(std::chrono::milliseconds(100));
  pause.async_wait([self = shared_from_this()](const ErrorCode& ec) {
    if (!ec && self->acceptor.is_open()) self->Accept();
  });
}

void TlsListener::Core::Take(TcpSocket socket) {
  ErrorCode ec;
  const auto remote = socket.remote_endpoint(ec);
  if (ec) return;
  const auto own = socket.local_endpoint(ec);
  if (ec) return;
  std::shared_ptr<void> slot = caps.Take(remote.address().to_string(), true);
  if (slot == nullptr) return;
  socket.set_option(asio::ip::tcp::no_delay(true), ec);
  std::string origin = "tls " + remote.address().to_string() + ":" + std::to_string(remote.port());
  TlsTransport transport(std::move(socket), shared_from_this(), std::move(origin),
                         own.address().to_string());
  auto session =
      std::make_shared<HttpSession<TlsTransport>>(std::move(transport), context, std::move(slot));
  std::erase_if(handshakes, [](const auto& weak) {
    const auto other = weak.lock();
    return other == nullptr || !other->in_handshake();
  });
  handshakes.push_back(session);
  session->Start();
}

void TlsListener::Core::EndHandshakes() {
  for (const auto& weak : std::exchange(handshakes, {})) {
    const auto session = weak.lock();
    if (session != nullptr && session->in_handshake()) session->Abort();
  }
}

Result<std::unique_ptr<TlsListener>> TlsListener::Open(asio::io_context& main, TlsOptions options,
                                                       Service service, RemoteClients clients,
                                                       const Clock& clock) {
  auto core = std::make_shared<Core>(main, std::move(options), service, std::move(clients), clock);
  SIGNET_TRY(core->Bind());
  return std::unique_ptr<TlsListener>(new TlsListener(std::move(core)));
}

void TlsListener::Start() {
  core_->Accept();
  thread_ = std::thread([core = core_] {
    {
      const std::lock_guard lock(core->mutex);
      core->thread = std::this_thread::get_id();
    }
    core->loop.run();
    const std::lock_guard lock(core->mutex);
    core->ended = true;
    core->changed.notify_all();
  });
}

TlsListener::~TlsListener() {
  const std::shared_ptr<Core> core = core_;
  bool ended = true;
  if (thread_.joinable()) {
    AbortAll();
    core->Post([core] { core->work.reset(); });
    std::unique_lock lock(core->mutex);
    ended = core->changed.wait_for(lock, std::chrono::seconds(5), [&] { return core->ended; });
    lock.unlock();
    if (ended) {
      thread_.join();
    } else {
      Log(LogLevel::kError, "the TLS thread hangs, probably in the token's module; left behind");
      core->loop.stop();
      thread_.detach();
    }
  } else {
    const std::lock_guard lock(core->mutex);
    core->ended = true;
  }
  if (!ended) return;
  ErrorCode ec;
  core->acceptor.close(ec);
  core->state.identity.reset();
  core->work.reset();
  core->loop.restart();
  core->loop.poll();  // what was queued refers to the core
}

std::uint16_t TlsListener::port() const { return core_->port; }

void TlsListener::UseIdentity(ServerIdentity identity) {
  auto made = TlsIdentity::Make(identity);
  if (!made) {
    Log(LogLevel::kError, "the TLS listener keeps its identity: " + made.error().ToString());
    return;
  }
  core_->Post([core = core_, next = std::move(made).value()]() mutable {
    core->state.identity = std::move(next);
  });
}

void TlsListener::DropIdentity() {
  core_->Post([core = core_] {
    core->state.identity.reset();
    core->EndHandshakes();
  });
}

void TlsListener::Drain() {
  core_->Post([core = core_] {
    ErrorCode ec;
    core->acceptor.close(ec);
    core->pause.cancel();
    core->registry->DrainAll();
  });
}

void TlsListener::AbortAll() {
  core_->Post([core = core_] {
    ErrorCode ec;
    core->acceptor.close(ec);
    core->pause.cancel();
    core->registry->AbortAll();
  });
}

std::size_t TlsListener::sessions() const { return core_->registry->size(); }

}  // namespace signet::rpc
