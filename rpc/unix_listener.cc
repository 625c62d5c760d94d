#include "rpc/unix_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "platform/unix_socket_file.h"
#include "rpc/http_session.h"

namespace signet::rpc {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using LocalSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;
using LocalAcceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;

namespace {

class UnixTransport {
 public:
  static constexpr bool kSecure = false;

  UnixTransport(LocalSocket socket, Peer peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  template <class Handler>
  void Read(char* data, std::size_t size, Handler handler) {
    socket_.async_read_some(asio::buffer(data, size), std::move(handler));
  }
  template <class Handler>
  void ReadRaw(char* data, std::size_t size, Handler handler) {
    Read(data, size, std::move(handler));
  }
  std::size_t TryWrite(const char* data, std::size_t size) {
    const ssize_t count = ::send(socket_.native_handle(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  template <class Handler>
  void Write(const char* data, std::size_t size, Handler handler) {
    asio::async_write(socket_, asio::buffer(data, size), std::move(handler));
  }
  template <class Handler>
  void Farewell(Handler handler) {
    boost::system::error_code ec;
    socket_.shutdown(LocalSocket::shutdown_send, ec);
    handler(ec);
  }
  void Close() {
    boost::system::error_code ec;
    socket_.close(ec);
  }
  Peer Identify() { return peer_; }
  std::string OwnAddress() const { return {}; }
  template <class Function>
  void Resume(Function function) {
    function();  // the session lives on the main loop
  }

 private:
  LocalSocket socket_;
  Peer peer_;
};

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

}  // namespace

struct UnixListener::Impl : std::enable_shared_from_this<UnixListener::Impl> {
  Impl(asio::io_context& main, UnixOptions given, Service service, LocalUsers known,
       UnixSocketFile socket_file)
      : options(std::move(given)),
        users(std::move(known)),
        file(std::move(socket_file)),
        acceptor(main.get_executor()),
        pause(main.get_executor()),
        caps(options.max_connections, options.per_user, options.reserve),
        registry(std::make_shared<SessionRegistry>(main, options.http.sweep)),
        context(std::make_shared<const SessionContext>(
            SessionContext{service.endpoint, service.view, main.get_executor(), options.http,
                           HostFilter({}), registry})) {}

  void Accept() {
    acceptor.async_accept(
        [self = shared_from_this()](const boost::system::error_code& ec, LocalSocket socket) {
          if (!self->acceptor.is_open()) return;
          if (ec) return self->Pause();
          self->Take(std::move(socket));
          self->Accept();
        });
  }

  // Out of file descriptors or memory: try again a little later instead of spinning.
  void Pause() {
    pause.expires_after(std::chrono::milliseconds(100));
    pause.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
      if (!ec && self->acceptor.is_open()) self->Accept();
    });
  }

  void Take(LocalSocket socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
    std::shared_ptr<void> slot = caps.Take(std::to_string(peer.uid), users.IsPrivileged(peer.uid));
    if (slot == nullptr) {
      [[maybe_unused]] const ssize_t sent =
          ::send(socket.native_handle(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      return;
    }
    UnixTransport transport(std::move(socket), users.Identify(peer.uid, peer.gid, peer.pid));
    std::make_shared<HttpSession<UnixTransport>>(std::move(transport), context, std::move(slot))
        ->Start();
  }

  UnixOptions options;
  LocalUsers users;
  UnixSocketFile file;
  LocalAcceptor acceptor;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, Executor>
      pause;
  ConnectionCaps caps;
  std::shared_ptr<SessionRegistry> registry;
  std::shared_ptr<const SessionContext> context;
};

Result<std::unique_ptr<UnixListener>> UnixListener::Open(asio::io_context& main,
                                                         UnixOptions options, Service service,
                                                         LocalUsers users) {
  SIGNET_TRY(auto file, UnixSocketFile::Listen(options.path, options.group));
  const int fd = file.Release();
  auto impl =
      std::make_shared<Impl>(main, std::move(options), service, std::move(users), std::move(file));
  boost::system::error_code ec;
  impl->acceptor.assign(asio::local::stream_protocol(), fd, ec);
  if (ec) {
    close(fd);
    return ErrnoError(ec.value(), "listen on", impl->options.path);
  }
  return std::unique_ptr<UnixListener>(new UnixListener(std::move(impl)));
}

UnixListener::~UnixListener() {
  StopAccepting();
  AbortAll();
}

void UnixListener::Start() { impl_->Accept(); }

void UnixListener::StopAccepting() {
  boost::system::error_code ec;
  impl_->acceptor.close(ec);
  impl_->pause.cancel();
}

void UnixListener::DrainAll() { impl_->registry->DrainAll(); }
void UnixListener::AbortAll() { impl_->registry->AbortAll(); }
std::size_t UnixListener::sessions() const { return impl_->registry->size(); }

}  // namespace signet::rpc
