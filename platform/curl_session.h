// libcurl as the outgoing parts use it, for one exchange over one connection. curl neither resolves
// nor connects: it gets the socket of a Connection, so the address policy, the bounded resolver and
// the errors are those of Dial, and nothing that a server says can bring curl to another address.
//
// What curl allocates is wiped when it is freed (it copies passwords, and their base64).
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>

#include "platform/clock.h"
#include "platform/dialer.h"

namespace signet {

struct CurlEasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CurlListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct CurlUrlDelete {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct CurlMimeDelete {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};
using CurlUrl = std::unique_ptr<CURLU, CurlUrlDelete>;
using CurlMime = std::unique_ptr<curl_mime, CurlMimeDelete>;

// Once per process, before anything else of curl; thread-safe.
void InitialiseCurl();

// A list of curl's. Add is false when memory is out.
class CurlList {
 public:
  bool Add(const std::string& line);
  curl_slist* get() const { return list_.get(); }

 private:
  std::unique_ptr<curl_slist, CurlListDelete> list_;
};

// A part of a URL; empty where there is none.
std::string PartOf(CURLU* url, CURLUPart part, unsigned flags = 0);

// One transfer. Of one thread. curl keeps its address, so it stays where it was made.
class CurlSession {
 public:
  struct Ending {
    CURLcode code = CURLE_OK;
    std::string text;  // curl's words, escaped for one line
  };

  CurlSession(Connection connection, std::uint16_t port, SteadyTime deadline);
  CurlSession(const CurlSession&) = delete;
  CurlSession& operator=(const CurlSession&) = delete;

  template <class Value>
  void Set(CURLoption option, Value value) {
    ok_ = ok_ && curl_easy_setopt(curl_.get(), option, value) == CURLE_OK;
  }
  // Of certificates these anchors (PEM) and no others; with none, this machine's trust store.
  void TrustOnly(const std::string& anchors);
  // Notes that something that belongs to the set-up failed.
  void Require(bool success) { ok_ = ok_ && success; }
  // Whether curl took every option.
  bool ok() const { return ok_; }
  CURL* handle() const { return curl_.get(); }

  // Ends with the deadline, a second later at most where curl says good-bye (SMTP's QUIT).
  // CURLE_OPERATION_TIMEDOUT tells that it came.
  Ending Perform();
  // While it runs, from a callback of curl's: an earlier deadline.
  void EndWithin(Duration rest);

 private:
  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static int OnOpened(void* self, curl_socket_t socket, curlsocktype purpose) noexcept;
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept;

  Connection connection_;
  SteadyTime deadline_;
  CurlList connect_to_;
  std::array<char, CURL_ERROR_SIZE> text_{};
  bool ok_ = true;
  std::unique_ptr<CURL, CurlEasyDelete> curl_;  // last: goes first, while the others still stand
};

}  // namespace signet
