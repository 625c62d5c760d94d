#include "tests/keyd/stock_client.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "platform/encoding.h"
#include "tests/keyd/keyd_world.h"

namespace signet::testing {

namespace {

CK_C_GetFunctionList Library() {
  static const CK_C_GetFunctionList get = [] {
    void* library = ::dlopen(kClientModule, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) std::abort();
    return reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  }();
  return get;
}

template <class T>
std::string Octets(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

CK_BYTE* Bytes(std::string& text) { return reinterpret_cast<CK_BYTE*>(text.data()); }

const char* HashName(CK_MECHANISM_TYPE type) {
  switch (type) {
    case CKM_SHA256:
    case CKM_SHA256_RSA_PKCS:
    case CKM_SHA256_RSA_PKCS_PSS:
      return "SHA256";
    case CKM_SHA384:
    case CKM_SHA384_RSA_PKCS:
    case CKM_SHA384_RSA_PKCS_PSS:
      return "SHA384";
    case CKM_SHA512:
    case CKM_SHA512_RSA_PKCS:
    case CKM_SHA512_RSA_PKCS_PSS:
      return "SHA512";
    default:
      return nullptr;
  }
}

std::string Hashed(const char* name, const std::string& data) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = digest.size();
  EVP_Q_digest(nullptr, name, nullptr, data.data(), data.size(), Bytes(digest), &size);
  digest.resize(size);
  return digest;
}

// r and s in one row become an ECDSA-Sig-Value.
std::string EcdsaDer(const std::string& raw) {
  const int half = static_cast<int>(raw.size() / 2);
  const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> signature(ECDSA_SIG_new(), ECDSA_SIG_free);
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(Bytes(raw), half, nullptr),
                 BN_bin2bn(Bytes(raw) + half, half, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

}  // namespace

Value NumberValue(CK_ATTRIBUTE_TYPE type, CK_ULONG number) { return {type, Octets(number)}; }

Value FlagValue(CK_ATTRIBUTE_TYPE type, bool flag) {
  return {type, std::string(1, flag ? CK_TRUE : CK_FALSE)};
}

StockClient::StockClient(const std::string& socket, const std::string& credential) {
  static std::mutex mutex;  // the address is in the environment
  {
    const std::lock_guard lock(mutex);
    ::setenv("P11_KIT_SERVER_ADDRESS", ("unix:path=" + socket).c_str(), 1);
    Library()(&functions_);
  }
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  std::string reserved = credential;
  if (!reserved.empty()) arguments.pReserved = reserved.data();
  code_ = functions_->C_Initialize(&arguments);
}

void StockClient::Finalize() {
  if (functions_ != nullptr && code_ == CKR_OK) functions_->C_Finalize(nullptr);
  functions_ = nullptr;
}

bool StockClient::Served() const {
  CK_ULONG count = 0;
  return code_ == CKR_OK && functions_->C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK &&
         count == 1;
}

CK_SLOT_ID FirstSlot(const StockClient& client) {
  CK_SLOT_ID slot = 0;
  CK_ULONG count = 1;
  EXPECT_EQ(client->C_GetSlotList(CK_TRUE, &slot, &count), CKR_OK);
  EXPECT_EQ(count, 1u);
  return slot;
}

CK_SESSION_HANDLE StockClient::Open() const {
  CK_SESSION_HANDLE session = 0;
  EXPECT_EQ(
      functions_->C_OpenSession(FirstSlot(*this), CKF_SERIAL_SESSION, nullptr, nullptr, &session),
      CKR_OK);
  return session;
}

std::vector<CK_OBJECT_HANDLE> StockClient::Find(CK_SESSION_HANDLE session,
                                                const std::vector<Value>& match) const {
  std::vector<CK_ATTRIBUTE> attributes;
  for (const Value& value : match) {
    attributes.push_back({value.type, const_cast<char*>(value.octets.data()), value.octets.size()});
  }
  EXPECT_EQ(functions_->C_FindObjectsInit(session, attributes.data(), attributes.size()), CKR_OK);
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, 7> some{};  // fewer than there are: the search goes on
  CK_ULONG count = 0;
  do {
    EXPECT_EQ(functions_->C_FindObjects(session, some.data(), some.size(), &count), CKR_OK);
    found.insert(found.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  } while (count > 0);
  EXPECT_EQ(functions_->C_FindObjectsFinal(session), CKR_OK);
  return found;
}

CK_OBJECT_HANDLE StockClient::Key(CK_SESSION_HANDLE session, const std::string& label,
                                  CK_OBJECT_CLASS object_class) const {
  const auto found = Find(session, {NumberValue(CKA_CLASS, object_class), {CKA_LABEL, label}});
  EXPECT_LE(found.size(), 1u);
  return found.empty() ? 0 : found.front();
}

std::optional<std::string> StockClient::Get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                            CK_ATTRIBUTE_TYPE type) const {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  if (functions_->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK)
    return std::nullopt;
  std::string value(attribute.ulValueLen, '\0');
  attribute.pValue = value.data();
  if (functions_->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK)
    return std::nullopt;
  value.resize(attribute.ulValueLen);
  return value;
}

std::string StockClient::Label(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) const {
  return Get(session, object, CKA_LABEL).value_or("?");
}

Signed StockClient::Sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                         CK_MECHANISM_TYPE mechanism, std::string data,
                         std::string parameter) const {
  CK_MECHANISM native{mechanism, parameter.empty() ? nullptr : parameter.data(), parameter.size()};
  Signed made;
  made.code = functions_->C_SignInit(session, &native, key);
  if (made.code != CKR_OK) return made;
  made.signature.resize(1024);
  CK_ULONG size = made.signature.size();
  made.code = functions_->C_Sign(session, Bytes(data), data.size(), Bytes(made.signature), &size);
  made.signature.resize(made.code == CKR_OK ? size : 0);
  return made;
}

std::string PssParameter(CK_MECHANISM_TYPE hash, CK_RSA_PKCS_MGF_TYPE mgf, CK_ULONG salt) {
  return Octets(CK_RSA_PKCS_PSS_PARAMS{hash, mgf, salt});
}

bool SignatureFits(const hsm::ViewKey& key, CK_MECHANISM_TYPE mechanism, const std::string& data,
                   const std::string& signature, CK_MECHANISM_TYPE pss_hash) {
  const std::string spki = Base64Decode(key.spki).value();
  const unsigned char* cursor = Bytes(spki);
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> public_key(
      d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.size())), EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new(public_key.get(), nullptr), EVP_PKEY_CTX_free);
  if (EVP_PKEY_verify_init(context.get()) != 1) return false;
  const char* own = HashName(mechanism);
  std::string signed_data = own != nullptr ? Hashed(own, data) : data;
  std::string value = signature;
  if (mechanism == CKM_ECDSA) {
    value = EcdsaDer(signature);
  } else {
    const char* pss = HashName(pss_hash);
    EVP_PKEY_CTX_set_rsa_padding(context.get(),
                                 pss != nullptr ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
    const char* hash = pss != nullptr ? pss : own;
    if (hash != nullptr) EVP_PKEY_CTX_set_signature_md(context.get(), EVP_get_digestbyname(hash));
    if (pss != nullptr) EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_AUTO);
  }
  return EVP_PKEY_verify(context.get(), Bytes(value), value.size(), Bytes(signed_data),
                         signed_data.size()) == 1;
}

}  // namespace signet::testing
