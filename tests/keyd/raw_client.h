// Octets on signet-keyd's sockets, by hand: what no library would send.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "hsm/wire/calls.h"
#include "hsm/wire/message.h"

namespace signet::testing {

class RawClient {
 public:
  // Connects and says nothing yet.
  explicit RawClient(const std::string& socket);
  ~RawClient() { Close(); }
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  int fd() const { return fd_; }
  bool connected() const { return fd_ >= 0; }
  void Close();
  int Release();  // the descriptor is the caller's

  // False when the other side is gone.
  bool Send(std::string_view octets);
  // So many octets; nothing when the other side closes or is silent for so long.
  std::optional<std::string> Receive(std::size_t size, double seconds = 10);
  // Whether the other side closes within this time (what it sends before is read and dropped).
  bool Closes(double seconds);

  struct Answer {
    bool there = false;  // else the connection is gone
    std::uint32_t code = 0, call = 0;
    CK_RV error = CKR_DEVICE_REMOVED;  // CKR_OK, or the error that it says
    std::string signature, arguments;
  };
  std::optional<Answer> ReadAnswer(double seconds = 10);
  Answer Call(hsm::wire::Call call, std::string_view signature, std::string_view arguments,
              double seconds = 10);
  // Version 0 and C_Initialize; the code of its answer.
  CK_RV Greet(std::string_view credential = "");
  // A session; the private key with this label.
  CK_SESSION_HANDLE Open();
  CK_OBJECT_HANDLE Key(CK_SESSION_HANDLE session, const std::string& label);
  // C_SignInit and C_Sign.
  CK_RV Sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, std::string_view mechanism,
             std::string_view data, std::string* signature = nullptr);

 private:
  int fd_ = -1;
  std::uint32_t next_ = 1;
};

// Arguments of calls.
std::string Number(CK_ULONG number);
std::string Word(std::uint32_t word);
std::string Octets(std::string_view octets);  // with their length
std::string Array(std::string_view octets);
std::string MechanismOctets(CK_MECHANISM_TYPE type, std::string_view parameter = "");
std::string HelloArguments(std::string_view credential = "");

}  // namespace signet::testing
