#include "hsm/token_objects.h"

#include <algorithm>
#include <cstring>

#include "hsm/objects.h"
#include "hsm/pkcs11_error.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::hsm {
namespace {

using wire::Attribute;

constexpr std::size_t kMost = 65536;  // numbers in use; a token has no more objects than that

Template ToTemplate(const std::vector<Attribute>& attributes) {
  Template out;
  for (const Attribute& attribute : attributes) out.Bytes(attribute.type, attribute.value);
  return out;
}

std::optional<bool> Flag(const std::vector<Attribute>& attributes, CK_ATTRIBUTE_TYPE type) {
  for (const Attribute& attribute : attributes) {
    if (attribute.type == type && attribute.value.size() == 1)
      return attribute.value[0] != CK_FALSE;
  }
  return std::nullopt;
}

struct Demand {
  CK_ATTRIBUTE_TYPE type;
  bool value;
};
constexpr Demand kPrivateKey[] = {
    {CKA_TOKEN, true},    {CKA_PRIVATE, true}, {CKA_SENSITIVE, true},     {CKA_SIGN, true},
    {CKA_DECRYPT, false}, {CKA_UNWRAP, false}, {CKA_SIGN_RECOVER, false}, {CKA_DERIVE, false},
};

// A key that may leave must say that it leaves under a trusted key alone.
Status CheckPrivatePart(const std::vector<Attribute>& attributes) {
  bool fits = std::all_of(
      std::begin(kPrivateKey), std::end(kPrivateKey),
      [&](const Demand& demand) { return Flag(attributes, demand.type) == demand.value; });
  const auto extractable = Flag(attributes, CKA_EXTRACTABLE);
  fits = fits && extractable.has_value() &&
         (!*extractable || Flag(attributes, CKA_WRAP_WITH_TRUSTED).value_or(false));
  for (const Attribute& attribute : attributes) {
    // Of two that are named alike a token may take the other one.
    const auto alike = [&](const Attribute& other) { return other.type == attribute.type; };
    if (std::count_if(attributes.begin(), attributes.end(), alike) != 1) fits = false;
    const bool is_key_material =
        attribute.type >= CKA_PRIVATE_EXPONENT && attribute.type <= CKA_COEFFICIENT;
    if (attribute.type == CKA_VALUE || attribute.type == CKA_TRUSTED || is_key_material)
      fits = false;
  }
  if (fits) return Ok();
  return CkError(CKR_TEMPLATE_INCONSISTENT, "C_GenerateKeyPair");
}

Error DeadHandle() { return CkError(CKR_OBJECT_HANDLE_INVALID, "a look-up of an object"); }

}  // namespace

TokenObjects::TokenObjects(TokenLink& link, Pkcs11Token& token, const Durability& durability)
    : link_(link), token_(token), durability_(durability) {
  // A number of a former process leads nowhere.
  const std::string salt = RandomBytes(3);
  next_ = 0;
  for (const char c : salt) next_ = next_ << 8 | static_cast<unsigned char>(c);
  next_ = next_ << 36 | 1;
}

TokenObjects::Number TokenObjects::Remember(CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t generation = link_.generation();
  for (const auto& [number, entry] : table_) {
    if (entry.handle == handle && entry.generation == generation) return number;
  }
  if (table_.size() >= kMost) table_.clear();
  table_[next_] = {object_class, {}, handle, generation};
  return next_++;
}

void TokenObjects::Rename(Number object, std::string id) {
  const std::lock_guard lock(mutex_);
  const auto found = table_.find(object);
  if (found != table_.end()) found->second.id = std::move(id);
}

Result<CK_OBJECT_HANDLE> TokenObjects::Resolve(Session& session, Number object) {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = table_.find(object);
    if (found == table_.end()) return DeadHandle();
    entry = found->second;
  }
  const std::uint64_t generation = link_.generation();
  if (entry.generation == generation) return entry.handle;
  if (entry.id.empty()) return DeadHandle();
  SIGNET_TRY(auto found, FindKeysById(session, entry.object_class, entry.id));
  if (found.size() != 1) return DeadHandle();
  const std::lock_guard lock(mutex_);
  const auto at = table_.find(object);
  if (at == table_.end()) return DeadHandle();
  at->second.handle = found.front();
  at->second.generation = generation;
  return found.front();
}

template <class Work>
auto TokenObjects::With(Number object, const Work& work)
    -> std::invoke_result_t<const Work&, Session&, CK_OBJECT_HANDLE> {
  using R = std::invoke_result_t<const Work&, Session&, CK_OBJECT_HANDLE>;
  const auto attempt = [&]() -> R {
    SIGNET_TRY(auto session, link_.Acquire());
    SIGNET_TRY(auto handle, Resolve(session, object));
    auto result = work(session, handle);
    if (!result) session.Discard();
    return result;
  };
  return link_.Run(attempt);
}

Result<std::vector<TokenObjects::Number>> TokenObjects::Find(const std::vector<Attribute>& match) {
  std::vector<Number> numbers;
  const Status status = token_.ChangeObjects([&](Session& session) -> Status {
    SIGNET_TRY(auto found, FindObjects(session, ToTemplate(match)));
    numbers.clear();
    for (const CK_OBJECT_HANDLE handle : found) {
      auto object_class = ReadNumber(session, handle, CKA_CLASS);
      if (!object_class) {
        if (StalenessOf(CkCode(object_class.error())) == Staleness::kHandle)
          continue;  // gone since
        return std::move(object_class).error();
      }
      // Keys are all that there is to manage.
      if (object_class.value() != CKO_PRIVATE_KEY && object_class.value() != CKO_PUBLIC_KEY &&
          object_class.value() != CKO_SECRET_KEY) {
        continue;
      }
      const Number number = Remember(handle, object_class.value());
      numbers.push_back(number);
    }
    return Ok();
  });
  if (!status) return status.error();
  return numbers;
}

Result<std::vector<std::optional<std::string>>> TokenObjects::Attributes(
    Number object, const std::vector<CK_ATTRIBUTE_TYPE>& types) {
  return With(object,
              [&](Session& session,
                  CK_OBJECT_HANDLE handle) -> Result<std::vector<std::optional<std::string>>> {
                std::vector<std::optional<std::string>> values;
                for (const CK_ATTRIBUTE_TYPE type : types) {
                  auto value = ReadBytes(session, handle, type);
                  if (value) {
                    if (type == CKA_ID && !value.value().empty()) Rename(object, value.value());
                    values.emplace_back(std::move(value).value());
                    continue;
                  }
                  const CK_RV code = CkCode(value.error());
                  if (code != CKR_ATTRIBUTE_TYPE_INVALID && code != CKR_ATTRIBUTE_SENSITIVE) {
                    return std::move(value).error();
                  }
                  values.emplace_back(std::nullopt);
                }
                return values;
              });
}

Result<KeyId> TokenObjects::KeyOf(Number object) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = table_.find(object);
    if (found == table_.end() || found->second.object_class != CKO_PRIVATE_KEY) {
      return CkError(CKR_KEY_HANDLE_INVALID, "C_SignInit");
    }
    if (!found->second.id.empty()) return HexEncode(found->second.id);
  }
  SIGNET_TRY(auto values, Attributes(object, {CKA_ID}));
  if (!values.front() || values.front()->empty()) {
    return CkError(CKR_KEY_HANDLE_INVALID, "C_SignInit");
  }
  return HexEncode(*values.front());
}

Result<TokenObjects::Pair> TokenObjects::Generate(CK_MECHANISM_TYPE mechanism,
                                                  const std::vector<Attribute>& public_part,
                                                  const std::vector<Attribute>& private_part) {
  if (mechanism != CKM_RSA_PKCS_KEY_PAIR_GEN && mechanism != CKM_EC_KEY_PAIR_GEN) {
    return CkError(CKR_MECHANISM_INVALID, "C_GenerateKeyPair");
  }
  SIGNET_TRY(CheckPrivatePart(private_part));
  Pair pair;
  // No second attempt behind the caller's back: the call may have made the pair and lost the
  // answer.
  CK_RV failed = CKR_OK;
  const Status status = token_.ChangeObjects([&](Session& session) -> Status {
    if (failed != CKR_OK) return CkError(failed, "C_GenerateKeyPair");
    const auto start = Durability::Mark();
    CK_MECHANISM native{mechanism, nullptr, 0};
    Template public_template = ToTemplate(public_part);
    Template private_template = ToTemplate(private_part);
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
    Failpoint("keyd.generate.before");
    failed = session.module()->C_GenerateKeyPair(
        session.handle(), &native, public_template.data(), public_template.size(),
        private_template.data(), private_template.size(), &public_key, &private_key);
    if (failed != CKR_OK) return CkError(failed, "C_GenerateKeyPair");
    Failpoint("keyd.generate.made");
    pair = {Remember(public_key, CKO_PUBLIC_KEY), Remember(private_key, CKO_PRIVATE_KEY)};
    return durability_.Sync(start);
  });
  if (!status) return status.error();
  return pair;
}

Status TokenObjects::Name(Number object, const std::vector<Attribute>& attributes) {
  for (const Attribute& attribute : attributes) {
    if (attribute.type != CKA_LABEL && attribute.type != CKA_ID) {
      return CkError(CKR_ATTRIBUTE_READ_ONLY, "C_SetAttributeValue");
    }
  }
  SIGNET_TRY(token_.ChangeObjects([&](Session& session) -> Status {
    const auto start = Durability::Mark();
    SIGNET_TRY(auto handle, Resolve(session, object));
    Template names = ToTemplate(attributes);
    SIGNET_CK("C_SetAttributeValue", session.module()->C_SetAttributeValue(
                                         session.handle(), handle, names.data(), names.size()));
    Failpoint("keyd.named");
    return durability_.Sync(start);
  }));
  for (const Attribute& attribute : attributes) {
    if (attribute.type == CKA_ID) Rename(object, attribute.value);
  }
  return Ok();
}

Status TokenObjects::Destroy(Number object) {
  SIGNET_TRY(auto values, Attributes(object, {CKA_CLASS, CKA_ID}));
  if (values[1] && !values[1]->empty()) token_.ForgetDestroyed(HexEncode(*values[1]));
  SIGNET_TRY(token_.ChangeObjects([&](Session& session) -> Status {
    const auto start = Durability::Mark();
    SIGNET_TRY(auto handle, Resolve(session, object));
    SIGNET_CK("C_DestroyObject", session.module()->C_DestroyObject(session.handle(), handle));
    Failpoint("keyd.destroyed");
    return durability_.Sync(start);
  }));
  const std::lock_guard lock(mutex_);
  table_.erase(object);
  return Ok();
}

Result<std::string> TokenObjects::Wrap(CK_MECHANISM_TYPE mechanism, Number wrapping, Number key) {
  if (mechanism != CKM_AES_KEY_WRAP_PAD) return CkError(CKR_MECHANISM_INVALID, "C_WrapKey");
  const auto is = [](const std::optional<std::string>& flag) {
    return flag && flag->size() == 1 && flag->front() != CK_FALSE;
  };
  SIGNET_TRY(auto leaves, Attributes(key, {CKA_EXTRACTABLE, CKA_WRAP_WITH_TRUSTED}));
  if (!is(leaves[0]) || !is(leaves[1])) return CkError(CKR_KEY_NOT_WRAPPABLE, "C_WrapKey");
  SIGNET_TRY(auto trusted, Attributes(wrapping, {CKA_TRUSTED, CKA_WRAP}));
  if (!is(trusted[0]) || !is(trusted[1])) {
    return CkError(CKR_WRAPPING_KEY_HANDLE_INVALID, "C_WrapKey");
  }
  return With(wrapping, [&](Session& session, CK_OBJECT_HANDLE kek) -> Result<std::string> {
    SIGNET_TRY(auto handle, Resolve(session, key));
    std::string wrapped(8192, '\0');
    CK_ULONG size = wrapped.size();
    CK_MECHANISM native{mechanism, nullptr, 0};
    SIGNET_CK("C_WrapKey",
              session.module()->C_WrapKey(session.handle(), &native, kek, handle,
                                          reinterpret_cast<CK_BYTE*>(wrapped.data()), &size));
    wrapped.resize(std::min<std::size_t>(size, wrapped.size()));
    return wrapped;
  });
}

Result<TokenObjects::Number> TokenObjects::Unwrap(CK_MECHANISM_TYPE mechanism, Number unwrapping,
                                                  std::string_view wrapped,
                                                  const std::vector<Attribute>& attributes) {
  if (mechanism != CKM_AES_KEY_WRAP_PAD) return CkError(CKR_MECHANISM_INVALID, "C_UnwrapKey");
  SIGNET_TRY(CheckPrivatePart(attributes));
  Number number = 0;
  CK_RV failed = CKR_OK;
  const Status status = token_.ChangeObjects([&](Session& session) -> Status {
    if (failed != CKR_OK) return CkError(failed, "C_UnwrapKey");
    const auto start = Durability::Mark();
    SIGNET_TRY(auto kek, Resolve(session, unwrapping));
    CK_MECHANISM native{mechanism, nullptr, 0};
    Template key = ToTemplate(attributes);
    std::string octets(wrapped);
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    failed = session.module()->C_UnwrapKey(session.handle(), &native, kek,
                                           reinterpret_cast<CK_BYTE*>(octets.data()), octets.size(),
                                           key.data(), key.size(), &handle);
    if (failed != CKR_OK) return CkError(failed, "C_UnwrapKey");
    number = Remember(handle, CKO_PRIVATE_KEY);
    return durability_.Sync(start);
  });
  if (!status) return status.error();
  return number;
}

std::unordered_map<TokenObjects::Number, TokenObjects::Entry> TokenObjects::Table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

void TokenObjects::Adopt(std::unordered_map<Number, Entry> table) {
  const std::lock_guard lock(mutex_);
  for (auto& [number, entry] : table) {
    entry.generation = 0;  // of a link that is no more
    table_.insert_or_assign(number, std::move(entry));
  }
}

}  // namespace signet::hsm
