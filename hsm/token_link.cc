#include "hsm/token_link.h"

#include <thread>

#include "hsm/objects.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr Duration kQuiet =
    std::chrono::seconds(15);  // for calls under way: RSA-4096 takes its time
constexpr Duration kLastWait = std::chrono::seconds(3);
constexpr Duration kBetweenAttempts = std::chrono::seconds(1);

}  // namespace

void Gate::EnterShared() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !exclusive_; });
  ++shared_;
}

void Gate::LeaveShared() {
  const std::lock_guard lock(mutex_);
  if (--shared_ == 0 && exclusive_) changed_.notify_all();
}

bool Gate::EnterExclusive(Duration limit) {
  std::unique_lock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + limit;
  if (!changed_.wait_until(lock, until, [&] { return !exclusive_; })) return false;
  exclusive_ = true;
  if (changed_.wait_until(lock, until, [&] { return shared_ == 0; })) return true;
  exclusive_ = false;
  changed_.notify_all();
  return false;
}

void Gate::LeaveExclusive() {
  const std::lock_guard lock(mutex_);
  exclusive_ = false;
  changed_.notify_all();
}

TokenLink::TokenLink(Module& module, TokenUri uri, LinkObserver& observer)
    : module_(module), uri_(std::move(uri)), observer_(observer), sessions_(module) {}

TokenLink::~TokenLink() {
  if (!gate_.EnterExclusive(kLastWait)) {
    // A thread hangs in the module: finalising would hang with it or pull the ground from under it.
    Log(LogLevel::kError, "a call into the token's module never came back; leaving it as it is");
    sessions_.Forget();
    module_.Abandon();
    static_cast<void>(evp_keys_.release());
    for (auto& keys : retired_) static_cast<void>(keys.release());
    return;
  }
  sessions_.Close();
  RetireEvpKeys();
  for (auto& keys : retired_) keys->Release();
  retired_.clear();
}

Status TokenLink::Connect(bool reload) {
  const std::lock_guard lock(recover_mutex_);
  if (!gate_.EnterExclusive(kQuiet)) {
    return MakeError(Kind::kTokenFailed, "TOKEN_HANGS", "a call into the token's module hangs",
                     "Check the token; restart Signet when it does not come back.");
  }
  auto status = ConnectInside(reload);
  gate_.LeaveExclusive();
  return status;
}

Status TokenLink::Login(const Secret& pin) {
  const std::lock_guard lock(recover_mutex_);
  if (!connected_) return Gone();
  if (!gate_.EnterExclusive(kQuiet)) {
    return MakeError(Kind::kTokenFailed, "TOKEN_HANGS", "a call into the token's module hangs",
                     "Check the token; restart Signet when it does not come back.");
  }
  // A login that is still there would make any PIN look right.
  module_->C_Logout(sessions_.anchor());
  logged_in_ = false;
  auto status = LoginInside(pin);
  if (status) {
    pin_ = pin.Clone();
    RetireEvpKeys();
    ++generation_;
  }
  gate_.LeaveExclusive();
  return status;
}

Secret TokenLink::KeptPin() {
  // Not for ever: a rebuild may hang in the module.
  for (const auto until = std::chrono::steady_clock::now() + kLastWait;
       std::chrono::steady_clock::now() < until;
       std::this_thread::sleep_for(std::chrono::milliseconds(10))) {
    const std::unique_lock lock(recover_mutex_, std::try_to_lock);
    if (lock.owns_lock()) return pin_.Clone();
  }
  return Secret();
}

void TokenLink::Logout() {
  const std::lock_guard lock(recover_mutex_);
  pin_ = Secret();
  logged_in_ = false;
  if (connected_ && gate_.EnterExclusive(kQuiet)) {
    module_->C_Logout(sessions_.anchor());
    gate_.LeaveExclusive();
  }
}

Status TokenLink::Recover(std::uint64_t seen, Staleness staleness) {
  Status status = Ok();
  {
    const std::lock_guard lock(recover_mutex_);
    if (generation_ != seen && connected_ && logged_in_) return Ok();
    const auto now = std::chrono::steady_clock::now();
    if (!connected_ && now < next_attempt_) return Gone();
    const bool reload = staleness == Staleness::kModule || !connected_;
    status = Rebuild(reload);
    if (!status && !reload && status.error().kind != Kind::kTokenLocked) status = Rebuild(true);
    if (!status && status.error().word == "TOKEN_NOT_FOUND") status = Gone();
    if (!status) next_attempt_ = std::chrono::steady_clock::now() + kBetweenAttempts;
  }
  if (status) {
    observer_.OnRecovered();
  } else if (status.error().word == "TOKEN_BUSY" || status.error().word == "TOKEN_LOCKED") {
    return status;
  } else if (status.error().kind == Kind::kTokenLocked) {
    observer_.OnPinRefused(status.error());
  } else {
    observer_.OnLost(status.error());
  }
  return status;
}

Staleness TokenLink::Judge(const Error& error) const {
  const CK_RV code = CkCode(error);
  if (module_.remote() && code == CKR_DEVICE_ERROR) return Staleness::kModule;
  return StalenessOf(code);
}

Status TokenLink::Rebuild(bool reload) {
  if (!gate_.EnterExclusive(kQuiet)) {
    return MakeError(Kind::kTokenFailed, "TOKEN_BUSY",
                     "the token's module must be loaded anew, but it is in use",
                     "Try again; when it stays so, check the token and restart Signet.");
  }
  auto status = ConnectInside(reload);
  if (status && !logged_in_) {
    if (pin_.empty()) {
      status = MakeError(Kind::kTokenLocked, "TOKEN_LOCKED", "the token waits for its PIN",
                         "Unlock the token with its PIN.");
    } else {
      status = LoginInside(pin_);
      // Whatever the reason: a PIN that was refused once is never tried again.
      if (!status && status.error().kind == Kind::kTokenLocked) pin_ = Secret();
    }
  }
  gate_.LeaveExclusive();
  return status;
}

Status TokenLink::ConnectInside(bool reload) {
  connected_ = false;
  logged_in_ = false;
  RetireEvpKeys();
  ++generation_;
  if (reload) {
    // Opened only to learn how far the module has counted its handles.
    CK_SESSION_HANDLE probe = 0;
    if (module_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &probe) == CKR_OK) {
      highest_session_ = std::max(highest_session_, probe);
    }
    sessions_.Forget();
    SIGNET_TRY(module_.Finalize());
    SIGNET_TRY(module_.Initialize());
  } else {
    sessions_.Close();
  }
  SIGNET_TRY(auto found, FindToken(module_, uri_));
  slot_ = found.slot;
  {
    const std::lock_guard lock(info_mutex_);
    info_ = found.info;
  }
  if (reload && !module_.remote()) SkipUsedHandles(slot_);
  SIGNET_TRY(ReadMechanisms());
  SIGNET_TRY(sessions_.Open(slot_));
  highest_session_ = std::max(highest_session_, sessions_.anchor());
  connected_ = true;
  if ((found.info.flags & CKF_LOGIN_REQUIRED) == 0) logged_in_ = true;
  return Ok();
}

Status TokenLink::LoginInside(const Secret& pin) {
  SIGNET_TRY(RefreshTokenInfo());
  const CK_FLAGS flags = token_info().flags;
  if ((flags & CKF_USER_PIN_LOCKED) != 0) return CkError(CKR_PIN_LOCKED, "C_GetTokenInfo");
  if ((flags & CKF_USER_PIN_INITIALIZED) == 0) {
    return CkError(CKR_USER_PIN_NOT_INITIALIZED, "C_GetTokenInfo");
  }
  if ((flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return MakeError(Kind::kTokenLocked, "PIN_FINAL_TRY",
                     "one more wrong PIN would lock the token, so none is tried",
                     "Log in once with the token's own tool and the right PIN, then unlock here.");
  }
  const std::string_view text = pin.Reveal();
  const CK_RV code = module_->C_Login(
      sessions_.anchor(), CKU_USER,
      const_cast<CK_UTF8CHAR*>(reinterpret_cast<const CK_UTF8CHAR*>(text.data())), text.size());
  if (code != CKR_OK && code != CKR_USER_ALREADY_LOGGED_IN) return CkError(code, "C_Login");
  logged_in_ = true;
  return Ok();
}

Status TokenLink::RefreshTokenInfo() {
  CK_TOKEN_INFO info{};
  SIGNET_CK("C_GetTokenInfo", module_->C_GetTokenInfo(slot_, &info));
  const std::lock_guard lock(info_mutex_);
  info_ = info;
  return Ok();
}

Status TokenLink::ReadMechanisms() {
  CK_ULONG count = 0;
  SIGNET_CK("C_GetMechanismList", module_->C_GetMechanismList(slot_, nullptr, &count));
  count = std::min<CK_ULONG>(count, 65536);
  // p11-kit's client of 0.24 reads one beyond the last when it leaves out what it does not know.
  std::vector<CK_MECHANISM_TYPE> list(count + 1);
  SIGNET_CK("C_GetMechanismList", module_->C_GetMechanismList(slot_, list.data(), &count));
  list.resize(std::min<std::size_t>(list.size(), count));
  const std::lock_guard lock(info_mutex_);
  mechanisms_ = Mechanisms(list.begin(), list.end());
  return Ok();
}

// Modules count handles from 1 again after C_Initialize. An EVP_PKEY of before still holds old
// numbers; it must meet an error with them, not a session or a key of today.
void TokenLink::SkipUsedHandles(CK_SLOT_ID slot) {
  constexpr int kMost = 65536;
  for (int i = 0; i < kMost; ++i) {
    CK_SESSION_HANDLE handle = 0;
    if (module_->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &handle) != CKR_OK) {
      return;
    }
    module_->C_CloseSession(handle);
    if (handle > highest_session_) return;
  }
}

void TokenLink::RetireEvpKeys() {
  const std::lock_guard lock(evp_mutex_);
  if (evp_keys_ == nullptr) return;
  if (remote()) evp_keys_->NoticeEnd();
  retired_.push_back(std::move(evp_keys_));
}

Result<Session> TokenLink::Acquire() {
  if (!connected_) return Gone();
  if (!logged_in_) {
    return MakeError(Kind::kTokenLocked, "TOKEN_LOCKED", "the token waits for its PIN",
                     "Unlock the token with its PIN.");
  }
  return sessions_.Acquire();
}

Result<EvpPkeyPtr> TokenLink::Evp(std::string_view id) {
  const std::string credential = module_.remote() ? module_.remote()->credential : std::string();
  const std::lock_guard lock(evp_mutex_);
  if (evp_keys_ == nullptr) {
    SIGNET_TRY(evp_keys_, EvpKeys::Open(module_.path(), slot_, credential));
  }
  auto key = evp_keys_->Get(id);
  // A remote module's handles are never given to another object (token_objects.h).
  if (key || key.error().word != "KEY_NOT_FOUND" || remote()) return key;
  // A module that reuses the handle of a deleted object hides the new one from libp11's list.
  retired_.push_back(std::move(evp_keys_));
  SIGNET_TRY(evp_keys_, EvpKeys::Open(module_.path(), slot_, credential));
  return evp_keys_->Get(id);
}

Status TokenLink::CheckThere() {
  CK_TOKEN_INFO info{};
  const CK_RV code = module_->C_GetTokenInfo(slot_, &info);
  if (code != CKR_OK || (info.flags & CKF_TOKEN_INITIALIZED) == 0 || !uri_.Matches(info)) {
    return Gone();
  }
  return Ok();
}

std::vector<CK_MECHANISM_TYPE> TokenLink::MechanismList() const {
  const std::lock_guard lock(info_mutex_);
  return {mechanisms_.begin(), mechanisms_.end()};
}

CK_TOKEN_INFO TokenLink::token_info() const {
  const std::lock_guard lock(info_mutex_);
  return info_;
}

Error TokenLink::Gone() const { return CkError(CKR_TOKEN_NOT_PRESENT, "the search for it"); }

}  // namespace signet::hsm
