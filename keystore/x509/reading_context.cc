#include "keystore/x509/reading_context.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include <string_view>
#include <vector>

namespace signet::keystore::x509 {
namespace {

constexpr char kName[] = "reading";

// The default provider behind another answer to "which decoders are there?" (provider-base(7)).
struct Narrowed {
  OSSL_PROVIDER* whole = nullptr;
  std::vector<OSSL_ALGORITHM> decoders;
};

Narrowed& Provider() {
  static Narrowed provider;
  return provider;
}

const OSSL_ALGORITHM* Query(void*, int operation, int* no_cache) {
  const OSSL_ALGORITHM* all = OSSL_PROVIDER_query_operation(Provider().whole, operation, no_cache);
  return operation == OSSL_OP_DECODER ? Provider().decoders.data() : all;
}

// The context is the default provider's own, which it tears down itself.
void Teardown(void*) {}

const OSSL_DISPATCH kFunctions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<void (*)()>(&Query)},
    {OSSL_FUNC_PROVIDER_TEARDOWN, reinterpret_cast<void (*)()>(&Teardown)},
    {0, nullptr}};

int Begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions,
          void** context) {
  *functions = kFunctions;
  *context = OSSL_PROVIDER_get0_provider_ctx(Provider().whole);
  return 1;
}

OSSL_LIB_CTX* Make() {
  Narrowed& provider = Provider();
  provider.whole = OSSL_PROVIDER_load(nullptr, "default");
  if (provider.whole == nullptr) return nullptr;
  int no_cache = 0;
  const OSSL_ALGORITHM* row =
      OSSL_PROVIDER_query_operation(provider.whole, OSSL_OP_DECODER, &no_cache);
  for (; row != nullptr && row->algorithm_names != nullptr; ++row) {
    const std::string_view properties = row->property_definition;
    if (properties.find("input=der") != properties.npos &&
        properties.find("structure=SubjectPublicKeyInfo") != properties.npos) {
      provider.decoders.push_back(*row);
    }
  }
  provider.decoders.push_back({});
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  if (context != nullptr && OSSL_PROVIDER_add_builtin(context, kName, &Begin) == 1 &&
      OSSL_PROVIDER_load(context, kName) != nullptr) {
    return context;
  }
  OSSL_LIB_CTX_free(context);
  return nullptr;
}

}  // namespace

OSSL_LIB_CTX* ReadingContext() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* made = Make();
    ERR_clear_error();
    return made;
  }();
  return context;
}

}  // namespace signet::keystore::x509
