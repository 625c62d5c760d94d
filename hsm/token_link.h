// The connection to one token: slot, login, pooled sessions, libp11's context; rebuilt as a whole
// when it breaks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "hsm/evp_key.h"
#include "hsm/pkcs11_error.h"
#include "hsm/session.h"
#include "hsm/signing.h"
#include "hsm/token_uri.h"
#include "platform/clock.h"
#include "platform/secret.h"

namespace signet::hsm {

// Many threads work with the module, or one rebuilds; who rebuilds is not starved and does not wait
// for ever.
class Gate {
 public:
  void EnterShared();
  void LeaveShared();
  // False when somebody was still inside after `limit` (a thread that hangs in the module).
  bool EnterExclusive(Duration limit);
  void LeaveExclusive();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int shared_ = 0;
  bool exclusive_ = false;
};

// What the owner of the token hears about the connection. Called with no lock held, on the thread
// that noticed.
class LinkObserver {
 public:
  virtual ~LinkObserver() = default;
  virtual void OnLost(const Error& error) = 0;  // the token is gone
  virtual void OnPinRefused(
      const Error& error) = 0;     // the kept PIN does not log in any more; it is forgotten
  virtual void OnRecovered() = 0;  // logged in again; handles and EVP_PKEYs are new
};

// Thread-safe. Work with the module happens inside Run().
class TokenLink {
 public:
  TokenLink(Module& module, TokenUri uri, LinkObserver& observer);
  ~TokenLink();
  TokenLink(const TokenLink&) = delete;
  TokenLink& operator=(const TokenLink&) = delete;

  // Finds the token and opens a session, from the start (C_Finalize, C_Initialize) when `reload`.
  // No login.
  Status Connect(bool reload);
  // C_Login; keeps the PIN for rebuilding. Refuses when the token says that its PIN is locked or at
  // its last try.
  Status Login(const Secret& pin);
  Secret KeptPin();
  // Forgets the PIN and logs out.
  void Logout();

  // Runs `work` (returns Result<T>, is given nothing) among others. When it fails because sessions,
  // login or module died, rebuilds and runs it once more. A dead handle is `work`'s own to judge
  // (see Vanished).
  template <class Work>
  auto Run(const Work& work) -> decltype(work()) {
    const std::uint64_t seen = generation_.load();
    auto result = Inside(work);
    if (result) return result;
    const Staleness staleness = Judge(result.error());
    if (staleness != Staleness::kSessions && staleness != Staleness::kModule) return result;
    SIGNET_TRY(Recover(seen, staleness));
    return Inside(work);
  }
  // A handle that worked has died, and the object is not found again: the token may have been
  // initialised anew, and then this login is a phantom. Loads the module again.
  Status Vanished(std::uint64_t seen) { return Recover(seen, Staleness::kModule); }
  // Rebuilds unless somebody did since `seen`.
  Status Recover(std::uint64_t seen, Staleness staleness);

  // Inside Run only.
  Result<Session> Acquire();
  Result<EvpPkeyPtr> Evp(std::string_view id);
  const Mechanisms& mechanisms() const { return mechanisms_; }
  // Asks the module for the token itself; TOKEN_GONE when it has none to show.
  Status CheckThere();

  // Changes when all handles and EVP_PKEYs of before are void.
  std::uint64_t generation() const { return generation_.load(); }
  bool remote() const { return module_.remote().has_value(); }
  bool connected() const { return connected_.load(); }
  bool logged_in() const { return logged_in_.load(); }
  CK_TOKEN_INFO token_info() const;
  // From any thread, unlike mechanisms().
  std::vector<CK_MECHANISM_TYPE> MechanismList() const;
  std::size_t SessionCount() const { return sessions_.Count(); }

  // Set when somebody waited too long for a call; cleared by the next call that comes back.
  std::atomic<bool> hung{false};

 private:
  template <class Work>
  auto Inside(const Work& work) -> decltype(work()) {
    gate_.EnterShared();
    auto result = work();
    gate_.LeaveShared();
    hung.store(false, std::memory_order_relaxed);
    return result;
  }
  // A remote module says CKR_DEVICE_ERROR once its connection is gone.
  Staleness Judge(const Error& error) const;
  Status Rebuild(bool reload);
  Status ConnectInside(bool reload);
  Status LoginInside(const Secret& pin);
  Status RefreshTokenInfo();
  Status ReadMechanisms();
  void SkipUsedHandles(CK_SLOT_ID slot);
  void RetireEvpKeys();
  Error Gone() const;

  Module& module_;
  const TokenUri uri_;
  LinkObserver& observer_;
  Gate gate_;
  SessionPool sessions_;
  Mechanisms mechanisms_;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE highest_session_ = 0;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> connected_{false};
  std::atomic<bool> logged_in_{false};

  std::mutex recover_mutex_;  // one rebuild or login at a time; guards pin_ and next_attempt_
  Secret pin_;
  SteadyTime next_attempt_{};

  mutable std::mutex info_mutex_;
  CK_TOKEN_INFO info_{};

  std::mutex evp_mutex_;
  std::unique_ptr<EvpKeys> evp_keys_;
  std::vector<std::unique_ptr<EvpKeys>>
      retired_;  // freed at the end: freeing one closes everybody's sessions
};

}  // namespace signet::hsm
