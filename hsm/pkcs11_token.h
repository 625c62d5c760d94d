// Token over a PKCS#11 module.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "hsm/raw_signing.h"
#include "hsm/softhsm.h"
#include "hsm/token.h"
#include "hsm/token_link.h"

namespace signet::hsm {

class Pkcs11Token final : public Token {
 public:
  // `durability` syncs what the token wrote.
  Pkcs11Token(TokenLink& link, Durability& durability) : link_(link), durability_(durability) {}

  Result<GeneratedKey> Generate(const std::string& label, const KeySpec& spec,
                                KeyPolicy policy) override;
  Status Destroy(const KeyId& id) override;
  Status DestroyLabelled(const std::string& label) override;
  Status DestroyUnfinished() override;
  Result<std::vector<TokenKey>> List() override;
  Result<std::string> PublicKey(const KeyId& id) override;
  Result<std::string> SignDigest(const KeyId& id, SignScheme scheme, HashAlgorithm hash,
                                 std::string_view digest) override;
  Result<EvpPkeyPtr> Evp(const KeyId& id, Proof proof) override;

  // With a mechanism as a client named it (raw_signing.h); ECDSA signatures are r and s.
  Result<std::string> SignRaw(const KeyId& id, const wire::Mechanism& mechanism,
                              std::string_view data);
  Result<KeySpec> Spec(const KeyId& id);
  // Runs work(session) as one change: no other change, search or taking up at the same time.
  Status ChangeObjects(const std::function<Status(Session&)>& work);
  // The key with this id was destroyed through us.
  void ForgetDestroyed(const KeyId& id) { Forget(id, /*destroyed=*/true); }

  // Forgets handles and EVP_PKEYs of an earlier generation of the link.
  void DropCache();

 private:
  // A key taken up: found, unique, proved. Valid for one generation of the link.
  struct Taken {
    SigningKey key;
    std::string spki;
    std::uint64_t generation = 0;
    std::atomic<bool> destroyed{false};  // by us: its dead handle is no surprise
    EvpPkeyPtr evp;                      // guarded by change_mutex_, so is the next
    bool evp_proved = false;
  };
  using TakenPtr = std::shared_ptr<Taken>;

  TakenPtr Cached(const KeyId& id) const;
  void Remember(const KeyId& id, TakenPtr taken);
  void Forget(const KeyId& id, bool destroyed);
  Result<TakenPtr> TakeUp(Session& session, const KeyId& id);
  // Runs work(session, key), with a fresh handle once more when the handle died.
  template <class Work>
  auto WithKey(const KeyId& id, const Work& work)
      -> std::invoke_result_t<const Work&, Session&, Taken&>;
  // Runs work(session) as one change: no other change or taking up at the same time.
  template <class Work>
  auto Change(const Work& work) -> std::invoke_result_t<const Work&, Session&>;

  Result<GeneratedKey> GenerateInside(Session& session, const std::string& label,
                                      const KeySpec& spec, KeyPolicy policy, bool& made);
  Result<TakenPtr> NameAndProve(Session& session, CK_OBJECT_HANDLE public_key,
                                CK_OBJECT_HANDLE private_key, const KeySpec& spec, KeyId& id);
  Status DestroyMatching(Session& session, CK_ATTRIBUTE_TYPE type, std::string_view value);
  Result<EvpPkeyPtr> EvpInside(const KeyId& id, Taken& taken, Proof proof);
  // Tells "no such object" from "no token": some modules show a vanished token as an empty one.
  Status CheckTokenThere(Session& session) const;

  TokenLink& link_;
  Durability& durability_;
  std::mutex change_mutex_;  // one change or search at a time: SoftHSM races otherwise
  mutable std::shared_mutex cache_mutex_;
  std::unordered_map<KeyId, TakenPtr> cache_;
};

}  // namespace signet::hsm
