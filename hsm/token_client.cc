#include "hsm/token_client.h"

#include <array>
#include <atomic>
#include <mutex>

#include "hsm/control_channel.h"
#include "hsm/control_words.h"
#include "hsm/module.h"
#include "hsm/pin_source.h"
#include "hsm/pkcs11_token.h"
#include "hsm/token_link.h"
#include "hsm/token_uri.h"
#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr Duration kQuick = std::chrono::seconds(3);
constexpr Duration kSlow = std::chrono::seconds(100);  // a login, the self-test
// The other side answers the calls of one connection one after the other: signatures go over
// several.
constexpr std::size_t kStrands = 3;

FileSystem& RealFiles() {
  static const auto files = MakeFileSystem();
  return *files;
}

}  // namespace

struct TokenClient::Impl {
  // One connection of p11-kit's client with all that belongs to it.
  struct Strand final : LinkObserver {
    Strand(std::unique_ptr<Module> module_in, TokenUri uri)
        : module(std::move(module_in)),
          link(*module, std::move(uri), *this),
          durability("", RealFiles()),  // signet-keyd cares for that
          token(link, durability) {}
    void OnLost(const Error& error) override {
      Log(LogLevel::kWarning, "signet-keyd is gone: " + error.ToString());
    }
    void OnPinRefused(const Error&) override {}
    // Not from here: who takes his EVP_PKEY up anew may meet the next failure, and so on.
    void OnRecovered() override {
      token.DropCache();
      recovered = true;
    }

    std::unique_ptr<Module> module;
    TokenLink link;
    Durability durability;
    Pkcs11Token token;
    std::atomic<int> busy{0};
    std::atomic<bool> recovered{false};
  };

  // Changes and EVP_PKEYs on the first strand, signatures on whichever is least busy.
  class Keys final : public Token {
   public:
    explicit Keys(Impl& impl) : impl_(impl) {}
    Result<GeneratedKey> Generate(const std::string& label, const KeySpec& spec,
                                  KeyPolicy policy) override {
      return First().Generate(label, spec, policy);
    }
    Status Destroy(const KeyId& id) override {
      for (const auto& strand : impl_.strands) strand->token.ForgetDestroyed(id);
      return First().Destroy(id);
    }
    Status DestroyLabelled(const std::string& label) override {
      return First().DestroyLabelled(label);
    }
    Status DestroyUnfinished() override { return First().DestroyUnfinished(); }
    Result<std::vector<TokenKey>> List() override { return First().List(); }
    Result<std::string> PublicKey(const KeyId& id) override { return First().PublicKey(id); }
    Result<EvpPkeyPtr> Evp(const KeyId& id, Proof proof) override { return First().Evp(id, proof); }
    Result<std::string> SignDigest(const KeyId& id, SignScheme scheme, HashAlgorithm hash,
                                   std::string_view digest) override {
      Strand* best = impl_.strands.front().get();
      for (const auto& strand : impl_.strands) {
        if (strand->busy < best->busy) best = strand.get();
      }
      ++best->busy;
      auto signature = best->token.SignDigest(id, scheme, hash, digest);
      --best->busy;
      return signature;
    }

   private:
    Pkcs11Token& First() { return impl_.strands.front()->token; }
    Impl& impl_;
  };

  Impl(const TokenClientConfig& config, const Secret& credential)
      : quick(config.socket, credential), slow(config.socket, credential) {}

  ControlChannel quick, slow;
  std::vector<std::unique_ptr<Strand>> strands;
  Keys keys{*this};

  mutable std::mutex mutex;  // guards what follows; never held across a call
  TokenInfo info;
  bool hung = false;
  std::string instance;
  std::int64_t generation = -1;
  std::string view_document, view_digest;
  std::vector<std::function<bool()>> rebuilt;
  std::function<void()> unreachable;
  std::mutex probe_mutex;  // one look at a time
  std::mutex show_mutex;   // the newest document is the last one sent

  void Announce();
  Status TakeUp(const control::StateAnswer& answer);
  Status GiveView(const std::string& theirs);
};

void TokenClient::Impl::Announce() {
  std::vector<std::function<bool()>> callbacks;
  {
    const std::lock_guard lock(mutex);
    callbacks = rebuilt;
  }
  for (const auto& callback : callbacks) {
    if (!callback()) strands.front()->recovered = true;
  }
}

// Connections of a process that is no more, or handles of a token that was loaded anew.
Status TokenClient::Impl::TakeUp(const control::StateAnswer& answer) {
  const bool operational = answer.state == static_cast<std::int64_t>(TokenState::kOperational);
  bool anew = false;
  bool became = false;
  {
    const std::lock_guard lock(mutex);
    anew = instance != answer.instance || generation != answer.generation;
    instance = answer.instance;
    generation = answer.generation;
    became = operational && (anew || info.state != TokenState::kOperational);
    info.state = static_cast<TokenState>(answer.state);
    info.reason = answer.reason;
    info.label = answer.label;
    info.manufacturer = answer.manufacturer;
    info.model = answer.model;
    info.serial = answer.serial;
    info.library = answer.library;
    info.failed_logins = static_cast<std::uint64_t>(answer.failed_logins);
    info.next_login_in_s = answer.next_login_in_s;
    hung = false;
  }
  if (!operational) return Ok();
  if (became) strands.front()->recovered = true;  // also where a connection fails now
  for (const auto& strand : strands) {
    if (anew || !strand->link.connected()) {
      SIGNET_TRY(strand->link.Connect(true));
      strand->token.DropCache();
    }
  }
  if (strands.front()->recovered.exchange(false)) Announce();
  return Ok();
}

Status TokenClient::Impl::GiveView(const std::string& theirs) {
  const std::lock_guard one(show_mutex);
  std::string document;
  {
    const std::lock_guard lock(mutex);
    if (view_document.empty() || view_digest == theirs) return Ok();
    document = view_document;
  }
  SIGNET_TRY(quick.Call(control::kShow, document, kQuick));
  return Ok();
}

Result<std::unique_ptr<TokenClient>> TokenClient::Open(TokenClientConfig config,
                                                       FileSystem& files) {
  SIGNET_TRY(auto source, PinSource::Parse(config.credential));
  SIGNET_TRY(auto credential, source.Read(files));
  auto impl = std::make_unique<Impl>(config, credential);
  for (std::size_t i = 0; i < kStrands; ++i) {
    SIGNET_TRY(auto uri, TokenUri::Parse(config.uri));
    SIGNET_TRY(auto module, Module::LoadRemote(config.module, {"unix:path=" + config.socket,
                                                               std::string(credential.Reveal())}));
    impl->strands.push_back(std::make_unique<Impl::Strand>(std::move(module), std::move(uri)));
  }
  std::unique_ptr<TokenClient> client(new TokenClient(std::move(impl)));
  client->impl_->info.state = TokenState::kFailed;
  static_cast<void>(client->Probe());  // the state tells
  return client;
}

TokenClient::TokenClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenClient::~TokenClient() = default;

Token& TokenClient::token() { return impl_->keys; }

TokenInfo TokenClient::Info() const {
  const std::lock_guard lock(impl_->mutex);
  TokenInfo info = impl_->info;
  if (info.state == TokenState::kOperational && impl_->hung) {
    info.state = TokenState::kFailed;
    info.reason = "a call to the token did not come back in time. Check the token.";
  }
  return info;
}

TokenState TokenClient::State() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->info.state == TokenState::kOperational && impl_->hung ? TokenState::kFailed
                                                                      : impl_->info.state;
}

Status TokenClient::Probe() {
  const std::lock_guard one(impl_->probe_mutex);
  auto answer = [&]() -> Result<control::StateAnswer> {
    SIGNET_TRY(auto value, impl_->quick.Call(control::kState, "", kQuick));
    return FromJson<control::StateAnswer>(value);
  }();
  if (!answer) {
    std::function<void()> unreachable;
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->info.state = TokenState::kFailed;
      impl_->info.reason = answer.error().detail + ". " + answer.error().remedy;
      unreachable = impl_->unreachable;
    }
    if (unreachable) unreachable();
    return answer.error();
  }
  SIGNET_TRY(impl_->TakeUp(answer.value()));
  return impl_->GiveView(answer.value().view);
}

Status TokenClient::Unlock(Secret pin) {
  auto unlocked = impl_->slow.Call(control::kUnlock, pin.Reveal(), kSlow);
  static_cast<void>(Probe());  // the state tells, also of a wrong PIN
  if (!unlocked) return std::move(unlocked).error();
  return Ok();
}

Status TokenClient::Lock() {
  SIGNET_TRY(impl_->slow.Call(control::kLock, "", kSlow));
  return Probe();
}

Result<std::vector<SelfTestStep>> TokenClient::SelfTest() {
  SIGNET_TRY(auto value, impl_->slow.Call(control::kSelfTest, "", kSlow));
  SIGNET_TRY(auto rows, FromJson<std::vector<control::SelfTestRow>>(value));
  std::vector<SelfTestStep> steps;
  for (control::SelfTestRow& row : rows)
    steps.push_back({std::move(row.name), row.passed, std::move(row.detail)});
  static_cast<void>(Probe());  // the state tells
  return steps;
}

void TokenClient::ReportHang() {
  const std::lock_guard lock(impl_->mutex);
  impl_->hung = true;
}

Result<UseReport> TokenClient::Use() {
  SIGNET_TRY(auto value, impl_->quick.Call(control::kUse, "", kQuick));
  return FromJson<UseReport>(value);
}

Status TokenClient::Show(const KeyView& view) {
  std::string document = json::serialize(ToJson(view));
  const std::lock_guard one(impl_->show_mutex);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->view_digest = Sha256Hex(document);
    impl_->view_document = document;
  }
  SIGNET_TRY(impl_->quick.Call(control::kShow, document, kQuick));
  return Ok();
}

void TokenClient::OnRebuild(std::function<bool()> callback) {
  const std::lock_guard lock(impl_->mutex);
  impl_->rebuilt.push_back(std::move(callback));
}

void TokenClient::OnUnreachable(std::function<void()> callback) {
  const std::lock_guard lock(impl_->mutex);
  impl_->unreachable = std::move(callback);
}

pid_t TokenClient::keyd() const { return impl_->quick.peer(); }

}  // namespace signet::hsm
