#include "hsm/token_owner.h"

#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "hsm/module.h"
#include "hsm/pin_source.h"
#include "hsm/pin_throttle.h"
#include "hsm/pkcs11_token.h"
#include "hsm/self_test.h"
#include "hsm/softhsm.h"
#include "hsm/token_link.h"
#include "hsm/token_objects.h"
#include "hsm/token_uri.h"
#include "platform/logging.h"

namespace signet::hsm {

struct TokenOwner::Impl final : LinkObserver {
  Impl(TokenConfig given, FileSystem& files_in, PinSource source, PinThrottle throttle_in,
       std::unique_ptr<Module> module_in, TokenUri uri)
      : config(std::move(given)),
        files(files_in),
        pin_source(std::move(source)),
        throttle(std::move(throttle_in)),
        module(std::move(module_in)),
        link(*module, std::move(uri), *this),
        durability(config.softhsm_tokens, files),
        token(link, durability),
        objects(link, token, durability) {}

  enum class Failure : std::uint8_t { kNone, kNotStarted, kLost, kSelfTest };

  void SetState(TokenState next, std::string why, Failure cause = Failure::kNone);
  TokenState State() const {
    const std::lock_guard lock(state_mutex);
    return state;
  }
  void Boot();
  Result<Secret> ReadPin();
  Status LoginAndTest(const Secret& pin);
  Status TestAndSettle();
  Status ProbeOperational();
  void CountWrongPin();

  void OnLost(const Error& error) override;
  void OnPinRefused(const Error& error) override;
  void OnRecovered() override;

  const TokenConfig config;
  FileSystem& files;
  const PinSource pin_source;

  mutable std::mutex state_mutex;  // never held across a call into the module, nor is the next
  std::string library;
  TokenState state = TokenState::kFailed;
  std::string reason = "the token is being opened. Wait, or check the token when it stays so.";
  Failure failure = Failure::kNotStarted;
  bool locked_by_hand = false;

  Secret waiting_pin;        // of a source that is read once, until the token has judged it
  bool source_read = false;  // both: Boot's alone

  mutable std::mutex throttle_mutex;
  PinThrottle throttle;

  std::mutex login_mutex;  // one login or self-test at a time

  // Destroyed in this order, reversed: EVP_PKEYs, sessions and libp11's contexts, the module.
  std::unique_ptr<Module> module;
  TokenLink link;
  Durability durability;
  Pkcs11Token token;
  TokenObjects objects;
};

void TokenOwner::Impl::SetState(TokenState next, std::string why, Failure cause) {
  bool changed = false;
  {
    const std::lock_guard lock(state_mutex);
    changed = state != next || reason != why;
    state = next;
    reason = why;
    failure = cause;
  }
  if (!changed) return;
  if (next == TokenState::kOperational) {
    Log(LogLevel::kInfo, "the token is operational");
  } else {
    Log(LogLevel::kWarning, "the token is not operational: " + why);
  }
}

namespace {

std::string Why(const Error& error) {
  return error.detail + (error.remedy.empty() ? "" : ". " + error.remedy);
}

std::string LibraryText(Module& module) {
  CK_INFO info{};
  if (module->C_GetInfo(&info) != CKR_OK) return module.path();
  return PaddedText(info.libraryDescription, sizeof info.libraryDescription) + " " +
         std::to_string(info.libraryVersion.major) + "." +
         std::to_string(info.libraryVersion.minor) + " (" + module.path() + ")";
}

}  // namespace

void TokenOwner::Impl::OnLost(const Error& error) {
  if (State() == TokenState::kUnprovisioned) return;  // there was none to lose
  SetState(TokenState::kFailed, Why(error), Failure::kLost);
}

void TokenOwner::Impl::OnPinRefused(const Error& error) {
  if (error.word == "PIN_INCORRECT") CountWrongPin();
  SetState(TokenState::kLocked, Why(error));
}

void TokenOwner::Impl::OnRecovered() {
  bool mended = false;
  {
    const std::lock_guard lock(state_mutex);
    mended = state == TokenState::kFailed && failure == Failure::kLost;
  }
  if (mended) SetState(TokenState::kOperational, "");
  Log(LogLevel::kInfo, "sessions and keys of the token were rebuilt");
  token.DropCache();
}

void TokenOwner::Impl::CountWrongPin() {
  const std::lock_guard lock(throttle_mutex);
  if (const Status saved = throttle.Failed(); !saved) {
    Log(LogLevel::kError, "the count of wrong PINs was not stored: " + saved.error().ToString());
  }
}

// From "a token is there" to a state, by itself: at most one try with the PIN of the source, and
// none after a failure.
void TokenOwner::Impl::Boot() {
  if (link.logged_in()) {  // a token without login
    static_cast<void>(TestAndSettle());
    return;
  }
  std::uint64_t failures = 0;
  {
    const std::lock_guard lock(throttle_mutex);
    failures = throttle.failures();
  }
  if (failures > 0) {
    SetState(TokenState::kLocked,
             "the last " + std::to_string(failures) +
                 " PIN(s) were wrong, so none is tried by itself. Unlock the token by hand.");
    return;
  }
  if (pin_source.none()) {
    SetState(TokenState::kLocked, "the token waits for its PIN. Unlock the token.");
    return;
  }
  auto pin = ReadPin();
  if (!pin) {
    SetState(TokenState::kLocked, Why(pin.error()));
    return;
  }
  const Status tried = LoginAndTest(pin.value());  // the state tells
  const bool judged = link.logged_in() || tried || tried.error().kind == Kind::kTokenLocked;
  if (pin_source.once() && !judged) waiting_pin = std::move(pin).value();
}

// A descriptor is read and closed once; its number may be somebody else's afterwards.
Result<Secret> TokenOwner::Impl::ReadPin() {
  if (!waiting_pin.empty()) return std::exchange(waiting_pin, Secret());
  if (pin_source.once() && std::exchange(source_read, true)) {
    return MakeError(Kind::kTokenLocked, "PIN_UNAVAILABLE",
                     "no PIN from its source: it was read before",
                     "Unlock the token by hand, or restart signet-keyd.");
  }
  return pin_source.Read(files);
}

Status TokenOwner::Impl::LoginAndTest(const Secret& pin) {
  auto status = link.Login(pin);
  if (!status) {
    const Staleness staleness = StalenessOf(CkCode(status.error()));
    if (staleness == Staleness::kSessions || staleness == Staleness::kModule) {
      // The PIN was not judged: sessions or module had died unnoticed.
      SIGNET_TRY(link.Connect(true));
      status = link.Login(pin);
    }
  }
  if (!status) {
    if (status.error().kind == Kind::kTokenLocked) {
      if (status.error().word == "PIN_INCORRECT") CountWrongPin();
      SetState(TokenState::kLocked, Why(status.error()));
    } else {
      SetState(TokenState::kFailed, Why(status.error()), Failure::kLost);
    }
    return status;
  }
  {
    const std::lock_guard lock(throttle_mutex);
    if (const Status saved = throttle.Succeeded(); !saved) {
      Log(LogLevel::kError, "the count of wrong PINs was not stored: " + saved.error().ToString());
    }
  }
  status = TestAndSettle();
  token.DropCache();
  return status;
}

Status TokenOwner::Impl::TestAndSettle() {
  const auto steps = RunSelfTest(link, SelfTestKind::kBoot);
  if (AllPassed(steps)) {
    SetState(TokenState::kOperational, "");
    return Ok();
  }
  const std::string detail = "the self-test failed: " + FirstFailure(steps);
  const std::string remedy = "Check the token, then run the self-test again.";
  // What was noticed on the way (token gone, PIN refused) says more.
  bool told = false;
  {
    const std::lock_guard lock(state_mutex);
    told = failure == Failure::kLost || (state == TokenState::kLocked && !link.logged_in());
  }
  if (!told) SetState(TokenState::kFailed, detail + ". " + remedy, Failure::kSelfTest);
  return MakeError(Kind::kTokenFailed, "SELF_TEST_FAILED", detail, remedy);
}

Status TokenOwner::Impl::ProbeOperational() {
  const auto look = [&]() -> Status {
    SIGNET_TRY(auto session, link.Acquire());
    CK_SESSION_INFO info{};
    const CK_RV code = session.module()->C_GetSessionInfo(session.handle(), &info);
    if (code != CKR_OK) {
      session.Discard();
      return CkError(code, "C_GetSessionInfo");
    }
    const bool needs_login = (link.token_info().flags & CKF_LOGIN_REQUIRED) != 0;
    if (needs_login && info.state != CKS_RW_USER_FUNCTIONS && info.state != CKS_RO_USER_FUNCTIONS) {
      return CkError(CKR_USER_NOT_LOGGED_IN, "C_GetSessionInfo");
    }
    return link.CheckThere();
  };
  return link.Run(look);
}

Result<std::unique_ptr<TokenOwner>> TokenOwner::Open(TokenConfig config, FileSystem& files,
                                                     Clock& clock, ThrottleStore& throttle) {
  SIGNET_TRY(auto uri, TokenUri::Parse(config.uri));
  SIGNET_TRY(auto source, PinSource::Parse(config.pin_source));
  SIGNET_TRY(auto guard, PinThrottle::Load(throttle, clock));
  if (!config.softhsm_config.empty()) {
    ::setenv("SOFTHSM2_CONF", config.softhsm_config.c_str(), 1);
  }
  SIGNET_TRY(auto module, Module::Load(config.module));
  auto impl = std::make_unique<Impl>(std::move(config), files, std::move(source), std::move(guard),
                                     std::move(module), std::move(uri));
  return std::unique_ptr<TokenOwner>(new TokenOwner(std::move(impl)));
}

Status TokenOwner::Start() {
  const std::lock_guard login(impl_->login_mutex);
  if (const Status initialized = impl_->module->Initialize(); !initialized) {
    impl_->SetState(TokenState::kFailed, Why(initialized.error()), Impl::Failure::kLost);
    return initialized;
  }
  {
    std::string text = LibraryText(*impl_->module);
    const std::lock_guard lock(impl_->state_mutex);
    impl_->library = std::move(text);
  }
  const auto connected = impl_->link.Connect(false);
  if (connected) {
    impl_->Boot();
  } else if (connected.error().word == "TOKEN_NOT_FOUND") {
    impl_->SetState(TokenState::kUnprovisioned, Why(connected.error()));
  } else {
    impl_->SetState(TokenState::kFailed, Why(connected.error()), Impl::Failure::kLost);
    if (connected.error().word == "TOKEN_AMBIGUOUS") return connected.error();
  }
  return Ok();
}

TokenOwner::TokenOwner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenOwner::~TokenOwner() = default;

Token& TokenOwner::token() { return impl_->token; }

TokenObjects& TokenOwner::objects() { return impl_->objects; }

Result<std::string> TokenOwner::SignRaw(const KeyId& id, const wire::Mechanism& mechanism,
                                        std::string_view data) {
  return impl_->token.SignRaw(id, mechanism, data);
}

Result<KeySpec> TokenOwner::Spec(const KeyId& id) { return impl_->token.Spec(id); }

Secret TokenOwner::KeptPin() { return impl_->link.KeptPin(); }

std::vector<unsigned long> TokenOwner::TokenMechanisms() const {
  return impl_->link.MechanismList();
}

SignatureCount& TokenOwner::count() { return impl_->module->count; }

std::uint64_t TokenOwner::Generation() const { return impl_->link.generation(); }

void TokenOwner::Lock() {
  const std::lock_guard login(impl_->login_mutex);
  impl_->link.Logout();
  impl_->SetState(TokenState::kLocked, "the token was locked by hand. Unlock the token.");
  const std::lock_guard lock(impl_->state_mutex);
  impl_->locked_by_hand = true;
}

bool TokenOwner::LockedByHand() const {
  const std::lock_guard lock(impl_->state_mutex);
  return impl_->locked_by_hand && impl_->state == TokenState::kLocked;
}

TokenState TokenOwner::State() const {
  const TokenState state = impl_->State();
  return state == TokenState::kOperational && impl_->link.hung ? TokenState::kFailed : state;
}

TokenInfo TokenOwner::Info() const {
  TokenInfo info;
  {
    const std::lock_guard lock(impl_->state_mutex);
    info.state = impl_->state;
    info.reason = impl_->reason;
    info.library = impl_->library;
  }
  if (info.state == TokenState::kOperational && impl_->link.hung) {
    info.state = TokenState::kFailed;
    info.reason = "a call to the token did not come back in time. Check the token.";
  }
  const CK_TOKEN_INFO token = impl_->link.token_info();
  info.label = PaddedText(token.label, sizeof token.label);
  info.manufacturer = PaddedText(token.manufacturerID, sizeof token.manufacturerID);
  info.model = PaddedText(token.model, sizeof token.model);
  info.serial = PaddedText(token.serialNumber, sizeof token.serialNumber);
  const std::lock_guard lock(impl_->throttle_mutex);
  info.failed_logins = impl_->throttle.failures();
  info.next_login_in_s = impl_->throttle.Wait();
  return info;
}

Status TokenOwner::Unlock(Secret pin) {
  const std::unique_lock login(impl_->login_mutex, std::try_to_lock);
  if (!login.owns_lock()) {
    return MakeError(Kind::kConflict, "TOKEN_BUSY", "another login or self-test is under way",
                     "Wait for it to end.");
  }
  if (impl_->State() == TokenState::kOperational) {
    return MakeError(Kind::kConflict, "TOKEN_ALREADY_UNLOCKED", "the token is operational",
                     "Nothing needs to be done.");
  }
  {
    const std::lock_guard lock(impl_->throttle_mutex);
    SIGNET_TRY(impl_->throttle.Check());
  }
  if (!impl_->link.connected()) {
    SIGNET_TRY(impl_->link.Connect(true));
  }
  return impl_->LoginAndTest(pin);
}

Result<std::vector<SelfTestStep>> TokenOwner::SelfTest() {
  const std::lock_guard login(impl_->login_mutex);
  if (!impl_->link.connected()) {
    return CkError(CKR_TOKEN_NOT_PRESENT, "the search for it");
  }
  if (!impl_->link.logged_in()) {
    return MakeError(Kind::kTokenLocked, "TOKEN_LOCKED", "the token waits for its PIN",
                     "Unlock the token with its PIN.");
  }
  auto steps = RunSelfTest(impl_->link, SelfTestKind::kFull);
  if (AllPassed(steps)) {
    impl_->SetState(TokenState::kOperational, "");
  } else if (impl_->State() == TokenState::kOperational) {
    impl_->SetState(TokenState::kFailed, "the self-test failed: " + FirstFailure(steps),
                    Impl::Failure::kSelfTest);
  }
  return steps;
}

Status TokenOwner::Probe() {
  Impl::Failure failure = Impl::Failure::kNone;
  TokenState state = TokenState::kFailed;
  std::string reason;
  {
    const std::lock_guard lock(impl_->state_mutex);
    state = impl_->state;
    failure = impl_->failure;
    reason = impl_->reason;
  }
  if (state == TokenState::kOperational) return impl_->ProbeOperational();
  if (state == TokenState::kLocked || failure == Impl::Failure::kNotStarted) return Ok();
  if (state == TokenState::kFailed && failure == Impl::Failure::kSelfTest) {
    return MakeError(
        Kind::kTokenFailed, "SELF_TEST_FAILED", reason,
        "Run 'signet token self-test' to see which step fails; check the token and its module.");
  }
  const std::unique_lock login(impl_->login_mutex, std::try_to_lock);
  if (!login.owns_lock()) return Ok();
  auto connected = impl_->link.connected() ? Status(Ok()) : impl_->link.Connect(true);
  if (!connected) {
    if (state == TokenState::kUnprovisioned && connected.error().word == "TOKEN_NOT_FOUND") {
      return Ok();
    }
    return connected;
  }
  const auto recovered = impl_->link.Recover(impl_->link.generation(), Staleness::kSessions);
  if (!recovered && recovered.error().word == "TOKEN_LOCKED") {
    impl_->Boot();
    return Ok();
  }
  return recovered;
}

void TokenOwner::ReportHang() { impl_->link.hung = true; }

}  // namespace signet::hsm
