#include "platform/curl_session.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "platform/encoding.h"
#include "platform/secret.h"

namespace signet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void WipingFree(void* block) {
  if (block == nullptr) return;
  Wipe(block, ::malloc_usable_size(block));
  std::free(block);
}

// Never in place: what realloc moves away from is not wiped.
void* WipingRealloc(void* block, std::size_t size) {
  void* const moved = std::malloc(size);
  if (moved == nullptr || block == nullptr) return moved;
  std::memcpy(moved, block, std::min(size, ::malloc_usable_size(block)));
  WipingFree(block);
  return moved;
}

long MillisecondsUntil(SteadyTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<long>(std::clamp<decltype(left + 0)>(left, 1, 24L * 3600 * 1000));
}

}  // namespace

void InitialiseCurl() {
  static std::once_flag once;
  std::call_once(once, [] {
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, &std::malloc, &WipingFree, &WipingRealloc, &::strdup,
                         &std::calloc);
  });
}

bool CurlList::Add(const std::string& line) {
  curl_slist* const list = curl_slist_append(list_.get(), line.c_str());
  if (list == nullptr) return false;
  if (!list_) list_.reset(list);
  return true;
}

std::string PartOf(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

CurlSession::CurlSession(Connection connection, std::uint16_t port, SteadyTime deadline)
    : connection_(std::move(connection)), deadline_(deadline) {
  InitialiseCurl();
  curl_.reset(curl_easy_init());
  if (!curl_) {
    ok_ = false;
    return;
  }
  // "Whatever the host and port, connect there": the names in the URL are for the protocol and for
  // the certificate's check; nothing is resolved.
  const std::string address = connection_.address().to_string();
  Require(connect_to_.Add("::" + (connection_.address().is_v6() ? "[" + address + "]" : address) +
                          ":" + std::to_string(port)));
  Set(CURLOPT_CONNECT_TO, connect_to_.get());
  Set(CURLOPT_OPENSOCKETFUNCTION, &OnOpen);
  Set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  Set(CURLOPT_SOCKOPTFUNCTION, &OnOpened);
  Set(CURLOPT_SOCKOPTDATA, static_cast<void*>(this));
  Set(CURLOPT_NOPROGRESS, 0L);
  Set(CURLOPT_XFERINFOFUNCTION, &OnProgress);
  Set(CURLOPT_XFERINFODATA, static_cast<void*>(this));
  Set(CURLOPT_ERRORBUFFER, text_.data());
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_PROXY, "");  // the environment's proxies are not asked
  Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  Set(CURLOPT_NOSIGNAL, 1L);
  // The good-bye would otherwise be said by another handle of curl's, which knows no deadline.
  Set(CURLOPT_FORBID_REUSE, 1L);
  Set(CURLOPT_SSL_VERIFYPEER, 1L);
  Set(CURLOPT_SSL_VERIFYHOST, 2L);
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

void CurlSession::TrustOnly(const std::string& anchors) {
  if (anchors.empty()) return;
  curl_blob blob{const_cast<char*>(anchors.data()), anchors.size(), CURL_BLOB_COPY};
  Set(CURLOPT_CAINFO_BLOB, &blob);
  Set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
}

curl_socket_t CurlSession::OnOpen(void* self, curlsocktype purpose, curl_sockaddr*) noexcept {
  if (purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
  return static_cast<CurlSession*>(self)->connection_.Release();  // a second time: -1, none
}

int CurlSession::OnOpened(void*, curl_socket_t, curlsocktype) noexcept {
  return CURL_SOCKOPT_ALREADY_CONNECTED;
}

int CurlSession::OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  const bool over = steady_clock::now() >= static_cast<CurlSession*>(self)->deadline_;
  return over || OutgoingEnds() ? 1 : 0;
}

void CurlSession::EndWithin(Duration rest) {
  deadline_ = std::min(deadline_, steady_clock::now() + rest);
}

CurlSession::Ending CurlSession::Perform() {
  Ending ending;
  Set(CURLOPT_TIMEOUT_MS, MillisecondsUntil(deadline_));
  if (!ok_) {
    ending.code = CURLE_FAILED_INIT;
    ending.text = "curl refuses an option";
    return ending;
  }
  ending.code = curl_easy_perform(curl_.get());
  if (ending.code == CURLE_ABORTED_BY_CALLBACK) ending.code = CURLE_OPERATION_TIMEDOUT;
  ending.text = EscapeLine(text_[0] != '\0' ? text_.data() : curl_easy_strerror(ending.code), 200);
  return ending;
}

}  // namespace signet
