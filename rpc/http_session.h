// One HTTP/1.1 connection: requests one after another, each with a deadline per phase, each
// answered by one write. The transport (Unix socket, TLS, or bytes in memory) is a parameter, so
// that all of them run the same code. Included by the listeners only.
//
// A Transport has: kSecure (a handshake comes first; Host is checked); Handshake(handler),
// Read(data, size, handler), TryWrite(data, size) (what went out at once, maybe 0), Write(data,
// size, handler) (all of it), Farewell(handler) (says that no more comes), ReadRaw (after the
// farewell), Close(), Identify() (the peer, after the handshake), OwnAddress(), and
// Resume(function), which brings a function from the main loop to the session's own thread, or
// drops it when that has ended.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <memory>

#include "platform/encoding.h"
#include "platform/logging.h"
#include "rpc/authentication.h"
#include "rpc/endpoint.h"
#include "rpc/http_response.h"
#include "rpc/http_rules.h"
#include "rpc/session_context.h"

namespace signet::rpc {

template <class Transport>
class HttpSession final : public Session,
                          public std::enable_shared_from_this<HttpSession<Transport>> {
 public:
  HttpSession(Transport transport, std::shared_ptr<const SessionContext> context,
              std::shared_ptr<void> slot)
      : transport_(std::move(transport)),
        context_(std::move(context)),
        registry_(context_->registry),
        slot_(std::move(slot)),
        reader_(context_->options.limits),
        buffer_(kSmallBuffer) {
    registry_->Add(this);
  }
  ~HttpSession() override { registry_->Remove(this); }

  void Start() {
    if constexpr (Transport::kSecure) {
      Enter(Phase::kHandshake, context_->options.handshake);
      transport_.Handshake([self = this->shared_from_this()](const ErrorCode& ec) {
        if (ec) return self->Close();
        self->Greet();
      });
    } else {
      Greet();
    }
  }

  void Tick(SteadyTime now) override {
    if (phase_ != Phase::kHandling && now > deadline_) Abort();
  }
  void Drain() override {
    close_after_ = true;
    const bool waits = phase_ == Phase::kIdle || phase_ == Phase::kHandshake;
    if (waits || phase_ == Phase::kHeader || stream_) Abort();
  }
  void Abort() override { Close(); }
  bool in_handshake() const override { return phase_ == Phase::kHandshake; }

 private:
  using ErrorCode = boost::system::error_code;
  enum class Phase : std::uint8_t {
    kHandshake,
    kIdle,
    kHeader,
    kBody,
    kHandling,
    kWriting,
    kClosing
  };
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  static constexpr std::size_t kSmallBuffer = 4096;
  static constexpr std::size_t kLargeBuffer = 65536;
  static constexpr std::size_t kMaxDrained = 8u << 20;

  void Enter(Phase phase, Duration limit) {
    phase_ = phase;
    deadline_ = registry_->now() + limit;
  }

  void Greet() {
    peer_ = transport_.Identify();
    own_address_ = transport_.OwnAddress();
    Enter(Phase::kHeader, context_->options.header);
    Read();
  }

  void Read() {
    if (closed_) return;
    if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == buffer_.size()) {
      if (buffer_.size() >= kLargeBuffer) return Close();  // the reader refuses before this
      buffer_.resize(buffer_.size() * 4);
    } else if (phase_ == Phase::kBody && buffer_.size() < kLargeBuffer && filled_) {
      buffer_.resize(kLargeBuffer);
    }
    transport_.Read(buffer_.data() + end_, buffer_.size() - end_,
                    [self = this->shared_from_this()](const ErrorCode& ec, std::size_t count) {
                      self->OnRead(ec, count);
                    });
  }

  void OnRead(const ErrorCode& ec, std::size_t count) {
    if (ec || closed_) return Close();
    end_ += count;
    filled_ = end_ == buffer_.size();
    if (end_ > high_) high_ = end_;
    if (phase_ == Phase::kIdle) Enter(Phase::kHeader, context_->options.header);
    Pump();
  }

  // Works on what is in the buffer until it must wait.
  void Pump() {
    while (!closed_) {
      std::size_t used = 0;
      const HttpReader::Step step =
          reader_.Feed(std::string_view(buffer_.data() + begin_, end_ - begin_), used);
      begin_ += used;
      switch (step) {
        case HttpReader::Step::kNeedMore:
          return Read();
        case HttpReader::Step::kHeader:
          if (!OnHeader()) return;
          break;
        case HttpReader::Step::kDone:
          if (!OnRequest()) return;
          break;
        default:
          request_id_ = NextRequestId();
          Refuse(RefusalOf(step));
          return;
      }
    }
  }

  // False when the session waits, or ends.
  bool OnHeader() {
    const HttpRequest& request = reader_.request();
    request_id_ = NextRequestId();
    const Requester requester{&peer_, own_address_,
                              Transport::kSecure ? &context_->hosts : nullptr};
    if (std::optional<Refusal> refusal = CheckHead(request, requester)) {
      if (refusal->status == 403 && peer_.actor != "anonymous") NoteTurnedAway(refusal->error);
      Refuse(std::move(*refusal));
      return false;
    }
    if (!request.has_body) return true;
    if (!AdmitBody(request.announced)) return false;
    if (!request.expects_continue || begin_ != end_) return true;
    transport_.Write(kContinue.data(), kContinue.size(),
                     [self = this->shared_from_this()](const ErrorCode& ec, std::size_t) {
                       if (ec) return self->Close();
                       self->Pump();
                     });
    return false;
  }

  // Memory and time for the body; false when it is refused.
  bool AdmitBody(std::uint64_t announced) {
    const HttpOptions& options = context_->options;
    Duration limit = options.body;
    if (announced > options.limits.body) {
      if (!MaySendLargeBody(peer_)) {
        Refuse(RefusalOf(HttpReader::Step::kBodyTooLarge));
        return false;
      }
      large_body_ = registry_->TakeLargeBody();
      if (!large_body_) {
        Refuse(NoRoomForBody());
        return false;
      }
      reader_.request().body.reserve(announced);
      limit += std::chrono::seconds(announced / options.slowest_body);
    }
    Enter(Phase::kBody, limit);
    return true;
  }

  bool OnRequest() {
    if (IsEventStream(reader_.request().target)) return BeginStream();
    if (reader_.request().target == "/metrics") {
      plain_ = true;
      phase_ = Phase::kHandling;
      Spawn(context_->endpoint.Metrics(context_->view.metrics));
      return false;
    }
    if (reader_.request().method == HttpRequest::Method::kGet) return AnswerHealth();
    phase_ = Phase::kHandling;
    RequestContext context = ContextOf(peer_, request_id_);
    context.idempotency_key = reader_.request().idempotency_key;
    context.limit = context_->options.request;
    WipedString body = std::move(reader_.request().body);
    Spawn(context_->endpoint.Answer(std::move(context), std::move(body)));
    return false;
  }

  // Events until one side ends the connection; a piece is asked for when the last one went out.
  bool BeginStream() {
    stream_ = context_->endpoint.OpenStream(ContextOf(peer_, request_id_),
                                            EventCursor(reader_.request()).value(),
                                            context_->options.heartbeat);
    if (!stream_) {
      Refuse(NoRoomForStream());
      return false;
    }
    close_after_ = true;
    out_.resize(kHeadroom);
    out_.append("retry: 2000\n\n");
    Send(200, {});
    WatchPeer();
    return false;
  }

  // While it streams: his end is seen at once, and what he says is not heard.
  void WatchPeer() {
    if (closed_) return;
    transport_.Read(buffer_.data(), buffer_.size(),
                    [self = this->shared_from_this()](const ErrorCode& ec, std::size_t count) {
                      self->discarded_ += count;
                      if (ec || self->discarded_ > kLargeBuffer) return self->Close();
                      self->WatchPeer();
                    });
  }

  void Spawn(boost::asio::awaitable<RpcReply> work) {
    boost::asio::co_spawn(
        context_->main, std::move(work),
        [self = this->shared_from_this()](std::exception_ptr failure, RpcReply reply) mutable {
          Transport& transport = self->transport_;
          transport.Resume([self = std::move(self), failure, reply = std::move(reply)]() mutable {
            self->OnReply(failure, std::move(reply));
          });
        });
  }

  void OnReply(const std::exception_ptr& failure, RpcReply reply) {
    if (closed_) return;
    if (stream_ && (failure || reply.buffer.empty())) return Close();
    if (failure) return Refuse(RefusalOf(failure, request_id_));
    out_ = std::move(reply.buffer);
    if (stream_ ? WriteFrom(0) : Send(reply.status, {})) Pump();
  }

  bool AnswerHealth() {
    const auto [status, body] = HealthOf(reader_.request().target, context_->view);
    out_.resize(kHeadroom);
    out_.append(body);
    return Send(status, {});
  }

  void Refuse(Refusal refusal) {
    out_.resize(kHeadroom);
    WriteRefusal(refusal, request_id_, out_);
    linger_ = true;
    close_after_ = true;
    Send(refusal.status, refusal.allow);
  }

  // Sends `out_` with a head before it. True when it went out at once and the next request may
  // come.
  bool Send(int status, std::string_view allow) {
    const HttpRequest& request = reader_.request();
    close_after_ = close_after_ || !request.keep_alive || registry_->draining();
    ResponseHead head;
    head.status = status;
    head.allow = allow;
    head.date = registry_->date();
    head.request_id = request_id_;
    head.plain = std::exchange(plain_, false) && status == 200;
    head.stream = stream_ != nullptr;
    head.close = close_after_;
    head.keep_alive_said = request.version < 11;
    const std::size_t at = PrependHead(head, out_);
    if (context_->options.access_log) LogAccess(peer_, request, status, request_id_);
    return WriteFrom(at);
  }

  bool WriteFrom(std::size_t at) {
    Enter(Phase::kWriting, context_->options.write);
    const std::size_t size = out_.size() - at;
    const std::size_t gone = transport_.TryWrite(out_.data() + at, size);
    if (gone == size) return OnSent();
    transport_.Write(out_.data() + at + gone, size - gone,
                     [self = this->shared_from_this()](const ErrorCode& ec, std::size_t) {
                       if (ec || self->closed_) return self->Close();
                       if (self->OnSent()) self->Pump();
                     });
    return false;
  }

  bool OnSent() {
    if (out_.capacity() > kLargeBuffer) out_ = std::string();
    if (stream_) {
      phase_ = Phase::kHandling;
      Spawn(context_->endpoint.Next(stream_));
      return false;
    }
    large_body_.reset();
    if (close_after_) {
      Leave();
      return false;
    }
    if (reader_.request().has_body) WipeUsed();
    reader_.Next();
    if (begin_ == end_) {
      Enter(Phase::kIdle, context_->options.idle);
      if (buffer_.size() > kSmallBuffer) {
        buffer_ = Buffer(kSmallBuffer);
        begin_ = end_ = high_ = 0;
      }
    } else {
      Enter(Phase::kHeader, context_->options.header);
    }
    return true;
  }

  // What was a body is wiped; what follows it moves to the front.
  void WipeUsed() {
    const std::size_t left = end_ - begin_;
    if (left > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, left);
    Wipe(buffer_.data() + left, high_ - left);
    begin_ = 0;
    end_ = high_ = left;
  }

  // Says goodbye; where the peer may still be sending, reads on for a moment, because closing with
  // unread bytes would take the answer away from it.
  void Leave() {
    Enter(Phase::kClosing, context_->options.linger);
    transport_.Farewell([self = this->shared_from_this()](const ErrorCode&) {
      if (!self->linger_ || self->closed_) return self->Close();
      self->begin_ = self->end_ = 0;
      self->Discard();
    });
  }

  void Discard() {
    transport_.ReadRaw(buffer_.data(), buffer_.size(),
                       [self = this->shared_from_this()](const ErrorCode& ec, std::size_t count) {
                         self->discarded_ += count;
                         if (ec || self->closed_ || self->discarded_ > kMaxDrained)
                           return self->Close();
                         self->Discard();
                       });
  }

  void NoteTurnedAway(const Error& error) {
    RequestContext context = ContextOf(peer_, request_id_);
    Error noted = error;
    boost::asio::co_spawn(context_->main,
                          context_->endpoint.NoteTurnedAway(std::move(context), std::move(noted)),
                          boost::asio::detached);
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    if (stream_) stream_->End();
    transport_.Close();
  }

  using Buffer = std::vector<char, WipingAllocator<char>>;

  Transport transport_;
  std::shared_ptr<const SessionContext> context_;
  std::shared_ptr<SessionRegistry> registry_;
  std::shared_ptr<void> slot_, large_body_;
  std::shared_ptr<EventStream> stream_;  // once it was asked for
  HttpReader reader_;
  Buffer buffer_;
  std::size_t begin_ = 0, end_ = 0, high_ = 0;  // unread bytes; how far the buffer was ever filled
  std::size_t discarded_ = 0;
  std::string out_ = std::string(kHeadroom, ' ');
  std::string request_id_, own_address_;
  Peer peer_;
  SteadyTime deadline_;
  Phase phase_ = Phase::kHeader;
  bool filled_ = false, closed_ = false, close_after_ = false, linger_ = false;
  bool plain_ = false;  // the answer is text, not JSON
};

}  // namespace signet::rpc
