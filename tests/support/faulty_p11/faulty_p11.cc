// libfaulty_p11.so: a PKCS#11 module for tests. It forwards every call to the module named by
// SIGNET_FAULTY_MODULE (default: SoftHSM) and spoils those that the plan names.
//
// The plan is the file named by SIGNET_FAULTY_PLAN, read again whenever it changes, so that a
// running daemon can be made to fail and to recover. One rule a line; '#' starts a comment:
//
//     FUNCTION WHEN FAULT
//
//   FUNCTION  a PKCS#11 function, "C_Sign", or "*" for all but C_Initialize and C_Finalize
//   WHEN      "every", or a number n: only the n-th call (from 1) counted since this plan was read
//   FAULT     CKR_0x30 or CKR_48      return this code without forwarding
//             after:0x30              forward, then return this code (the work was done, the answer
//             is lost) hang                    block until the plan changes, then forward delay:500
//             wait so many milliseconds, then forward corrupt                 C_Sign: flip a bit of
//             the signature length:1000000          C_Sign: claim this signature length;
//             C_GetAttributeValue: this attribute length extractable C_GetAttributeValue: show
//             CKA_EXTRACTABLE as true insensitive             C_GetAttributeValue: show
//             CKA_SENSITIVE as false close                   close the session that is given, then
//             forward (so it fails as a dead one does) hide:0xd                C_GetMechanismList:
//             leave this mechanism out flags:0x20000           C_GetTokenInfo: set these flags as
//             well
//
// With SIGNET_FAULTY_LOG=<file> the name of each forwarded or spoiled function is appended there,
// one a line.
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

CK_FUNCTION_LIST* g_real = nullptr;

struct Rule {
  std::string function;
  unsigned long nth = 0;  // 0: every
  std::string fault;
  unsigned long value = 0;
};

class Plan {
 public:
  // The rule for this call, if any. Counts the call.
  std::optional<Rule> Match(const char* function) {
    const std::lock_guard lock(mutex_);
    Refresh();
    const unsigned long count = ++counts_[function];
    for (const Rule& rule : rules_) {
      const bool all = rule.function == "*" && std::strcmp(function, "C_Initialize") != 0 &&
                       std::strcmp(function, "C_Finalize") != 0;
      if ((all || rule.function == function) && (rule.nth == 0 || rule.nth == count)) return rule;
    }
    return std::nullopt;
  }

  unsigned long Version() {
    const std::lock_guard lock(mutex_);
    Refresh();
    return version_;
  }

 private:
  void Refresh() {
    const char* path = std::getenv("SIGNET_FAULTY_PLAN");
    struct stat info {};
    if (path == nullptr || ::stat(path, &info) != 0) {
      if (!rules_.empty()) ++version_;
      rules_.clear();
      seen_ = {};
      return;
    }
    const Stamp stamp{info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    if (stamp == seen_) return;
    seen_ = stamp;
    ++version_;
    counts_.clear();
    rules_.clear();
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) Add(line.substr(0, line.find('#')));
  }

  void Add(const std::string& line) {
    std::istringstream words(line);
    std::string function, when, fault;
    if (!(words >> function >> when >> fault)) return;
    Rule rule{function, when == "every" ? 0 : std::strtoul(when.c_str(), nullptr, 10), fault, 0};
    const auto split = fault.find_first_of(":_");
    if (split != std::string::npos) {
      rule.fault = fault.substr(0, split);
      rule.value = std::strtoul(fault.c_str() + split + 1, nullptr, 0);
    }
    rules_.push_back(rule);
  }

  using Stamp = std::tuple<ino_t, off_t, time_t, long>;
  std::mutex mutex_;
  std::vector<Rule> rules_;
  std::map<std::string, unsigned long> counts_;
  Stamp seen_{};
  unsigned long version_ = 0;
};

Plan& ThePlan() {
  static Plan* plan = new Plan;  // never destroyed: threads may hang here at exit
  return *plan;
}

void Note(const char* function) {
  const char* path = std::getenv("SIGNET_FAULTY_LOG");
  if (path == nullptr) return;
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  const std::string line = std::string(function) + "\n";
  static_cast<void>(::write(file, line.data(), line.size()) == 0);
  ::close(file);
}

// Applies the rule before the call; a code to return instead of forwarding, if any.
std::optional<CK_RV> Before(const std::optional<Rule>& rule) {
  if (!rule) return std::nullopt;
  if (rule->fault == "CKR") return rule->value;
  if (rule->fault == "delay") std::this_thread::sleep_for(std::chrono::milliseconds(rule->value));
  if (rule->fault == "hang") {
    const unsigned long version = ThePlan().Version();
    while (ThePlan().Version() == version) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  return std::nullopt;
}

bool Is(const std::optional<Rule>& rule, const char* fault) { return rule && rule->fault == fault; }

template <auto Member, class Signature>
struct Forward;

// The session is the first argument of most functions; CK_SLOT_ID has the same type, so only those
// are closed that take a session.
template <auto Member, class... Args>
struct Forward<Member, CK_RV (*)(Args...)> {
  template <class First>
  static void CloseSession(First first) {
    if constexpr (std::is_same_v<First, CK_SESSION_HANDLE>) g_real->C_CloseSession(first);
  }
  static CK_RV Call(const char* name, Args... args) {
    Note(name);
    const auto rule = ThePlan().Match(name);
    if (const auto code = Before(rule)) return *code;
    if constexpr (sizeof...(Args) > 0) {
      if (Is(rule, "close"))
        std::apply([](auto first, auto...) { CloseSession(first); }, std::make_tuple(args...));
    }
    const CK_RV code = (g_real->*Member)(args...);
    return Is(rule, "after") && code == CKR_OK ? rule->value : code;
  }
};

#define FORWARD(name)                                                                         \
  template <class... Args>                                                                    \
  CK_RV Faulty_##name(Args... args) {                                                         \
    return Forward<&CK_FUNCTION_LIST::name, decltype(CK_FUNCTION_LIST::name)>::Call(#name,    \
                                                                                    args...); \
  }
// clang-format never comes to rest on this macro.
// clang-format off
#define EACH(X) \
  X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetSlotList) X(C_GetSlotInfo) \
  X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN) X(C_SetPIN) X(C_OpenSession) \
  X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState) \
  X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) \
  X(C_DestroyObject) X(C_GetObjectSize) X(C_SetAttributeValue) X(C_FindObjectsInit) \
  X(C_FindObjects) X(C_FindObjectsFinal) X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) \
  X(C_EncryptFinal) X(C_DecryptInit) X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) \
  X(C_DigestInit) X(C_Digest) X(C_DigestUpdate) X(C_DigestKey) X(C_DigestFinal) X(C_SignInit) \
  X(C_SignUpdate) X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover) X(C_VerifyInit) \
  X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) X(C_VerifyRecover) \
  X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate) \
  X(C_DecryptVerifyUpdate) X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey) X(C_UnwrapKey) \
  X(C_DeriveKey) X(C_SeedRandom) X(C_GenerateRandom) X(C_GetFunctionStatus) X(C_CancelFunction) \
  X(C_WaitForSlotEvent)
// clang-format on
EACH(FORWARD)

CK_RV Faulty_C_Sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG data_size,
                    CK_BYTE* signature, CK_ULONG* size) {
  Note("C_Sign");
  const auto rule = ThePlan().Match("C_Sign");
  if (const auto code = Before(rule)) return *code;
  if (Is(rule, "close")) g_real->C_CloseSession(session);
  const CK_RV code = g_real->C_Sign(session, data, data_size, signature, size);
  if (code != CKR_OK) return code;
  if (Is(rule, "corrupt") && signature != nullptr && *size > 10) signature[10] ^= 1;
  if (Is(rule, "length")) *size = rule->value;
  return Is(rule, "after") ? rule->value : code;
}

void Show(CK_ATTRIBUTE& attribute, CK_ATTRIBUTE_TYPE type, CK_BBOOL value) {
  if (attribute.type == type && attribute.pValue != nullptr && attribute.ulValueLen == 1) {
    std::memcpy(attribute.pValue, &value, 1);
  }
}

CK_RV Faulty_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE* attributes, CK_ULONG count) {
  Note("C_GetAttributeValue");
  const auto rule = ThePlan().Match("C_GetAttributeValue");
  if (const auto code = Before(rule)) return *code;
  if (Is(rule, "close")) g_real->C_CloseSession(session);
  const CK_RV code = g_real->C_GetAttributeValue(session, object, attributes, count);
  for (CK_ULONG i = 0; code == CKR_OK && i < count; ++i) {
    if (Is(rule, "extractable")) Show(attributes[i], CKA_EXTRACTABLE, CK_TRUE);
    if (Is(rule, "insensitive")) Show(attributes[i], CKA_SENSITIVE, CK_FALSE);
    if (Is(rule, "length")) attributes[i].ulValueLen = rule->value;
  }
  return Is(rule, "after") && code == CKR_OK ? rule->value : code;
}

CK_RV Faulty_C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  Note("C_GetMechanismList");
  const auto rule = ThePlan().Match("C_GetMechanismList");
  if (const auto code = Before(rule)) return *code;
  const CK_RV code = g_real->C_GetMechanismList(slot, list, count);
  if (code == CKR_OK && list != nullptr && Is(rule, "hide")) {
    CK_MECHANISM_TYPE* end = std::remove(list, list + *count, rule->value);
    *count = static_cast<CK_ULONG>(end - list);
  }
  return code;
}

CK_RV Faulty_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  Note("C_GetTokenInfo");
  const auto rule = ThePlan().Match("C_GetTokenInfo");
  if (const auto code = Before(rule)) return *code;
  const CK_RV code = g_real->C_GetTokenInfo(slot, info);
  if (code == CKR_OK && Is(rule, "flags")) info->flags |= rule->value;
  return code;
}

CK_FUNCTION_LIST g_list;

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static std::once_flag once;
  std::call_once(once, [] {
    const char* path = std::getenv("SIGNET_FAULTY_MODULE");
    void* library =
        ::dlopen(path != nullptr ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&g_real) != CKR_OK) return;
    g_list.version = g_real->version;
    g_list.C_GetFunctionList = C_GetFunctionList;
#define ASSIGN(name) g_list.name = Faulty_##name;
    EACH(ASSIGN)
    ASSIGN(C_Sign)
    ASSIGN(C_GetAttributeValue) ASSIGN(C_GetMechanismList) ASSIGN(C_GetTokenInfo)
  });
  if (g_real == nullptr || list == nullptr) return CKR_GENERAL_ERROR;
  *list = &g_list;
  return CKR_OK;
}
