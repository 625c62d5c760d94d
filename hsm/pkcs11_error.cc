#include "hsm/pkcs11_error.h"

#include <cstdio>

namespace signet::hsm {
namespace {

struct Row {
  CK_RV code;
  const char* name;
  Kind kind = Kind::kTokenFailed;
  const char* word = "TOKEN_ERROR";
  const char* remedy = "";
  Staleness staleness = Staleness::kNone;
};

constexpr char kLookAtToken[] =
    "Check the token and its module (log of the module, free space), then run the self-test.";
constexpr char kPutTokenBack[] =
    "Put the token back; Signet takes it up again by itself within seconds.";
constexpr char kUnlock[] = "Unlock the token with its PIN.";
constexpr char kFull[] = "Remove unused keys from the token, or close other programs that use it.";

constexpr Row kRows[] = {
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", Kind::kExhausted, "TOKEN_FULL", kFull},
    {CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", Kind::kTokenFailed, "TOKEN_GONE", kPutTokenBack,
     Staleness::kModule},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR"},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED"},
    {CKR_ARGUMENTS_BAD, "CKR_ARGUMENTS_BAD"},
    {CKR_NO_EVENT, "CKR_NO_EVENT"},
    {CKR_CANT_LOCK, "CKR_CANT_LOCK"},
    {CKR_ATTRIBUTE_READ_ONLY, "CKR_ATTRIBUTE_READ_ONLY"},
    {CKR_ATTRIBUTE_SENSITIVE, "CKR_ATTRIBUTE_SENSITIVE"},
    {CKR_ATTRIBUTE_TYPE_INVALID, "CKR_ATTRIBUTE_TYPE_INVALID"},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID"},
    {CKR_DATA_INVALID, "CKR_DATA_INVALID"},
    {CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE"},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR"},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", Kind::kExhausted, "TOKEN_FULL", kFull},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", Kind::kTokenFailed, "TOKEN_GONE", kPutTokenBack,
     Staleness::kModule},
    {CKR_FUNCTION_CANCELED, "CKR_FUNCTION_CANCELED"},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED"},
    {CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", Kind::kNotFound, "KEY_NOT_FOUND",
     "List the token's keys; the key may have been destroyed.", Staleness::kHandle},
    {CKR_KEY_SIZE_RANGE, "CKR_KEY_SIZE_RANGE"},
    {CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", Kind::kRefused,
     "KEY_NOT_FOR_SIGNING", "Use a key that was made for signing."},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", Kind::kTokenFailed, "MECHANISM_MISSING",
     "Use a token that has this mechanism (see the self-test)."},
    {CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID"},
    {CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", Kind::kNotFound, "KEY_NOT_FOUND",
     "List the token's keys; the key may have been destroyed.", Staleness::kHandle},
    {CKR_OPERATION_ACTIVE, "CKR_OPERATION_ACTIVE"},
    {CKR_OPERATION_NOT_INITIALIZED, "CKR_OPERATION_NOT_INITIALIZED"},
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", Kind::kTokenLocked, "PIN_INCORRECT",
     "Check the PIN; it is not tried again by itself. Unlock with the right one."},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", Kind::kTokenLocked, "PIN_INCORRECT",
     "Check the PIN; it has characters that the token does not take."},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", Kind::kTokenLocked, "PIN_INCORRECT",
     "Check the PIN; the token does not take PINs of this length."},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", Kind::kTokenLocked, "PIN_EXPIRED",
     "Set a new PIN with the token's own tool."},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", Kind::kTokenLocked, "PIN_LOCKED",
     "The token has locked its PIN: its security officer must unblock it."},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", Kind::kTokenFailed, "TOKEN_ERROR", kLookAtToken,
     Staleness::kSessions},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", Kind::kExhausted, "TOKEN_FULL", kFull},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", Kind::kTokenFailed, "TOKEN_ERROR",
     kLookAtToken, Staleness::kSessions},
    {CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY"},
    {CKR_SESSION_EXISTS, "CKR_SESSION_EXISTS"},
    {CKR_SIGNATURE_INVALID, "CKR_SIGNATURE_INVALID"},
    {CKR_TEMPLATE_INCOMPLETE, "CKR_TEMPLATE_INCOMPLETE"},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT"},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", Kind::kTokenFailed, "TOKEN_GONE",
     kPutTokenBack, Staleness::kModule},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", Kind::kTokenFailed, "TOKEN_GONE",
     kPutTokenBack, Staleness::kModule},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED"},
    {CKR_USER_ALREADY_LOGGED_IN, "CKR_USER_ALREADY_LOGGED_IN"},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", Kind::kTokenLocked, "TOKEN_LOCKED", kUnlock,
     Staleness::kSessions},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", Kind::kTokenLocked,
     "PIN_NOT_SET", "Initialise the user PIN with the token's own tool."},
    {CKR_USER_TYPE_INVALID, "CKR_USER_TYPE_INVALID"},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN"},
    {CKR_USER_TOO_MANY_TYPES, "CKR_USER_TOO_MANY_TYPES"},
    {CKR_RANDOM_NO_RNG, "CKR_RANDOM_NO_RNG"},
    {CKR_BUFFER_TOO_SMALL, "CKR_BUFFER_TOO_SMALL"},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", Kind::kTokenFailed, "TOKEN_GONE",
     kLookAtToken, Staleness::kModule},
    {CKR_CRYPTOKI_ALREADY_INITIALIZED, "CKR_CRYPTOKI_ALREADY_INITIALIZED"},
    {CKR_FUNCTION_REJECTED, "CKR_FUNCTION_REJECTED"},
};

const Row* Find(CK_RV code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace

std::string CkrName(CK_RV code) {
  if (const Row* row = Find(code)) return row->name;
  char text[32];
  std::snprintf(text, sizeof text, "CKR_0x%lx", static_cast<unsigned long>(code));
  return text;
}

Error CkError(CK_RV code, std::string_view function, boost::source_location where) {
  const Row fallback{code, ""};
  const Row* row = Find(code);
  if (row == nullptr) row = &fallback;
  const char* remedy = row->remedy[0] != '\0' ? row->remedy : kLookAtToken;
  Error error = MakeError(row->kind, row->word,
                          "the token answered " + CkrName(code) + " to " + std::string(function),
                          remedy, where);
  error.origin = {"PKCS11", code};
  return error;
}

CK_RV CkCode(const Error& error) {
  return error.origin.domain == "PKCS11" ? static_cast<CK_RV>(error.origin.value) : CKR_OK;
}

Staleness StalenessOf(CK_RV code) {
  const Row* row = Find(code);
  return row != nullptr ? row->staleness : Staleness::kNone;
}

}  // namespace signet::hsm
