// p11-kit's stock client library as a service uses it: dlopen'ed, an address in the environment, no
// PIN. One object is one connection.
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>
#include <string>
#include <vector>

#include "hsm/key_view.h"

namespace signet::testing {

struct Value {
  CK_ATTRIBUTE_TYPE type;
  std::string octets;
};
Value NumberValue(CK_ATTRIBUTE_TYPE type, CK_ULONG number);
Value FlagValue(CK_ATTRIBUTE_TYPE type, bool flag);

struct Signed {
  CK_RV code = CKR_GENERAL_ERROR;
  std::string signature;
};

class StockClient {
 public:
  // C_Initialize, which connects; `credential` is what signetd passes on there.
  explicit StockClient(const std::string& socket, const std::string& credential = "");
  ~StockClient() { Finalize(); }
  StockClient(const StockClient&) = delete;
  StockClient& operator=(const StockClient&) = delete;

  CK_FUNCTION_LIST* operator->() const { return functions_; }
  CK_RV code() const { return code_; }  // of C_Initialize
  // Whether somebody serves it: the library succeeds without, and shows no slot then.
  bool Served() const;
  void Finalize();
  // As a fork does: the connection stays open, and nobody uses it any more.
  void Forget() { functions_ = nullptr; }

  // A read-only session; the test fails when there is none.
  CK_SESSION_HANDLE Open() const;
  std::vector<CK_OBJECT_HANDLE> Find(CK_SESSION_HANDLE session,
                                     const std::vector<Value>& match = {}) const;
  // The private key (or another class) with this label; 0 when there is none.
  CK_OBJECT_HANDLE Key(CK_SESSION_HANDLE session, const std::string& label,
                       CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY) const;
  std::optional<std::string> Get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE_TYPE type) const;
  std::string Label(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) const;
  // C_SignInit and C_Sign. `parameter` of CK_RSA_PKCS_PSS_PARAMS, or none.
  Signed Sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism,
              std::string data, std::string parameter = "") const;

 private:
  CK_FUNCTION_LIST* functions_ = nullptr;
  CK_RV code_ = CKR_OK;
};

CK_SLOT_ID FirstSlot(const StockClient& client);
std::string PssParameter(CK_MECHANISM_TYPE hash, CK_RSA_PKCS_MGF_TYPE mgf, CK_ULONG salt);
// OpenSSL's word on a signature as PKCS#11 gives it.
bool SignatureFits(const hsm::ViewKey& key, CK_MECHANISM_TYPE mechanism, const std::string& data,
                   const std::string& signature, CK_MECHANISM_TYPE pss_hash = 0);

}  // namespace signet::testing
