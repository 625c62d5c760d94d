#include <atomic>
#include <barrier>
#include <thread>

#include "hsm/key_template.h"
#include "hsm/objects.h"
#include "hsm/pkcs11_error.h"
#include "hsm/token_owner.h"
#include "platform/encoding.h"
#include "platform/files.h"
#include "platform/secret.h"
#include "tools/bench/support.h"

namespace signet::tools::bench {

namespace {

constexpr char kModule[] = "/usr/lib/softhsm/libsofthsm2.so";

// The DigestInfo of SHA-256 before the digest (RFC 8017 §9.2, note 1), as a signer must send it.
constexpr unsigned char kSha256Info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                         0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

void Check(CK_RV code, const char* call) {
  if (code != CKR_OK) Die(hsm::CkError(code, call).ToString());
}

CK_SLOT_ID SlotOf(hsm::Module& module) {
  CK_SLOT_ID slots[8];
  CK_ULONG count = 8;
  Check(module->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    Check(module->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
    if ((info.flags & CKF_TOKEN_INITIALIZED) != 0) return slots[i];
  }
  Die("no token was made");
}

}  // namespace

DirectToken::DirectToken(const std::string& folder) {
  hsm::TokenConfig config;
  config.module = kModule;
  config.softhsm_config = folder + ".conf";
  config.softhsm_tokens = folder;
  const Secret pin(kBenchPin);
  const auto files = MakeFileSystem();
  Must(hsm::CreateSoftHsmToken(config, kBenchLabel, pin, *files));
  module_ = Must(hsm::Module::Load(kModule));
  Must(module_->Initialize());
  sessions_ = std::make_unique<hsm::SessionPool>(*module_);
  Must(sessions_->Open(SlotOf(*module_)));
  std::string text = kBenchPin;
  Check((*module_)->C_Login(sessions_->anchor(), CKU_USER,
                            reinterpret_cast<CK_UTF8CHAR*>(text.data()), text.size()),
        "C_Login");
}

hsm::Session DirectToken::Open() { return Must(sessions_->Acquire()); }

CK_OBJECT_HANDLE DirectToken::Generate(hsm::Session& session, const hsm::KeySpec& spec,
                                       const std::string& label) {
  auto pair = Must(hsm::MakeKeyPairTemplate(label, spec, hsm::KeyPolicy::kFixed));
  CK_MECHANISM mechanism{pair.mechanism, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
  Check((*module_)->C_GenerateKeyPair(session.handle(), &mechanism, pair.public_part.data(),
                                      pair.public_part.size(), pair.private_part.data(),
                                      pair.private_part.size(), &public_key, &private_key),
        "C_GenerateKeyPair");
  return private_key;
}

void DirectToken::DestroyLabelled(hsm::Session& session, const std::string& label) {
  hsm::Template match;
  match.Bytes(CKA_LABEL, label);
  for (const CK_OBJECT_HANDLE object : Must(hsm::FindObjects(session, std::move(match))))
    Check((*module_)->C_DestroyObject(session.handle(), object), "C_DestroyObject");
}

double DirectToken::SignRate(CK_OBJECT_HANDLE key, const hsm::KeySpec& spec, int threads,
                             double seconds) {
  std::string input = RandomBytes(32);
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  if (spec.algorithm == hsm::KeyAlgorithm::kRsa) {
    mechanism.mechanism = CKM_RSA_PKCS;
    input.insert(0, reinterpret_cast<const char*>(kSha256Info), sizeof kSha256Info);
  }
  std::atomic<std::size_t> total{0};
  std::atomic<bool> ended{false};
  std::barrier start(threads + 1);
  std::vector<std::thread> signers;
  for (int i = 0; i < threads; ++i) {
    signers.emplace_back([&, data = input]() mutable {
      const hsm::Session session = Open();
      CK_MECHANISM own = mechanism;
      std::size_t count = 0;
      start.arrive_and_wait();
      for (; !ended.load(std::memory_order_relaxed); ++count) {
        CK_BYTE signature[512];
        CK_ULONG size = sizeof signature;
        Check((*module_)->C_SignInit(session.handle(), &own, key), "C_SignInit");
        Check((*module_)->C_Sign(session.handle(), reinterpret_cast<CK_BYTE*>(data.data()),
                                 data.size(), signature, &size),
              "C_Sign");
      }
      total += count;
    });
  }
  start.arrive_and_wait();
  const double took = SecondsOf([&] {
    std::this_thread::sleep_for(Seconds(seconds));
    ended = true;
    for (std::thread& signer : signers) signer.join();
  });
  return static_cast<double>(total.load()) / took;
}

}  // namespace signet::tools::bench
