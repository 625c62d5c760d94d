// Messages of p11-kit's remote protocol, version 0, as the client of 0.24 writes and reads them: a
// reader that trusts nothing and a writer.
//
// On the stream: one octet (the version) from each side, then frames: call code, length of options,
// length of body (32 bits each, big endian), options (the client's name; not looked at), body. A
// body is a call id (32 bits), the call's signature (octets) and its arguments. Integers are big
// endian, CK_ULONG has 64 bits, octets have a length of 32 bits in front (0xffffffff: none).
#pragma once

#include <p11-kit/pkcs11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signet::hsm::wire {

inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kMaxOptions = 4096;
inline constexpr std::size_t kMaxAttributes = 64;  // of one template

struct Header {
  std::uint32_t code = 0;  // the client's number of the call; the answer repeats it
  std::uint32_t options = 0, body = 0;
};
Header ReadHeader(std::string_view bytes);  // kHeaderSize octets

// How the value of an attribute lies on the wire.
enum class ValueKind : std::uint8_t { kByte, kNumber, kOctets, kDate, kUnsupported };
ValueKind KindOf(CK_ATTRIBUTE_TYPE type);

// An attribute with its value as PKCS#11 has it in memory: CK_BBOOL, CK_ULONG (native), octets.
struct Attribute {
  CK_ATTRIBUTE_TYPE type = 0;
  std::string value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};
Attribute FlagAttribute(CK_ATTRIBUTE_TYPE type, bool value);
Attribute NumberAttribute(CK_ATTRIBUTE_TYPE type, CK_ULONG value);

// A mechanism with the parameters that the view allows: none, or RSA-PSS's.
struct Mechanism {
  CK_MECHANISM_TYPE type = 0;
  std::optional<CK_RSA_PKCS_PSS_PARAMS> pss;
  std::string octets;  // raw parameters of any other mechanism; never used as a structure
};

// Reads from a buffer that outlives it. After the first thing that does not fit every getter
// returns nothing and ok() is false. Lengths that the sender states are compared with what is
// there, nothing is allocated by them.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && bytes_.empty(); }

  std::uint8_t Byte();                           // y
  std::uint32_t Word();                          // 32 bits
  CK_ULONG Number();                             // u
  std::optional<std::string_view> Octets();      // z, s: none where the pointer was null
  std::string_view Array();                      // ay
  std::uint32_t BufferSize() { return Word(); }  // fy, fu: 0 where only the size is asked for
  Mechanism ReadMechanism();                     // M
  std::vector<Attribute> Template();             // aA
  std::vector<CK_ATTRIBUTE_TYPE> WantedTypes();  // fA; buffer sizes are the client's own affair

 private:
  std::string_view Take(std::size_t size);
  std::string Value(ValueKind kind);
  void Fail() { ok_ = false; }

  std::string_view bytes_;
  bool ok_ = true;
};

// Appends to a string.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void Byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void Word(std::uint32_t value);
  void Number(CK_ULONG value);
  void Octets(std::string_view bytes);                   // z, s
  void Padded(std::string_view text, std::size_t size);  // s of that size, blanks after the text
  void Version(std::uint8_t major, std::uint8_t minor);
  void Array(std::string_view bytes);                  // ay
  void ArraySize(std::size_t size);                    // ay without content: the size, or that the
                                                       // buffer is too small
  void Numbers(const std::vector<CK_ULONG>& numbers);  // au
  void NumbersSize(std::size_t count);                 // au without content
  void AttributeCount(std::size_t count) { Word(static_cast<std::uint32_t>(count)); }
  void WriteAttribute(CK_ATTRIBUTE_TYPE type, const std::string* value);  // null: not to be had
  void WriteMechanism(const Mechanism& mechanism);
  void Template(const std::vector<Attribute>& attributes);

 private:
  std::string& out_;
};

// A whole frame: header, no options, body of call id, signature and `arguments`.
std::string Frame(std::uint32_t code, std::uint32_t call, std::string_view signature,
                  std::string_view arguments);

}  // namespace signet::hsm::wire
