#include "services/connections/ike_listing.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "platform/encoding.h"

namespace signet::services {
namespace {

constexpr std::size_t kDepth = 8;         // real ones have 4
constexpr std::size_t kIndent = 2;        // spaces a level
constexpr std::size_t kLineLimit = 4096;  // strongSwan cuts an identity at 511 octets
constexpr std::size_t kIdDigits = 10;     // 32 bits
constexpr std::string_view kIs = " = ";

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool IsKey(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= kIdDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Takes one line after another; what it returns is whether the line may stand there.
class Listing {
 public:
  bool Add(std::string_view line) {
    if (depth_ == 0) return AddOutside(line);
    if (line.size() > kLineLimit) return false;
    const std::size_t margin = line.find_first_not_of(' ');
    if (margin == std::string_view::npos) return false;
    const std::string_view content = line.substr(margin);
    if (in_list_) return AddToList(margin, content);
    if (margin == kIndent * (depth_ - 1) && content == "}") return Close();
    // A name may begin with spaces; an indentation that is too small is never right.
    if (margin < kIndent * depth_) return false;
    return AddInside(line.substr(kIndent * depth_));
  }

  bool IsComplete() const { return replied_ && depth_ == 0; }
  std::vector<IkeSa> Take() { return std::move(sas_); }

 private:
  using Fields = std::map<std::string, std::string, std::less<>>;

  bool AddOutside(std::string_view line) {
    event_ = line == "list-sa event {";
    if (!event_ && line != "list-sas reply {") return true;  // not of the listing
    if (replied_) return false;
    replied_ = !event_;
    depth_ = 1;
    return true;
  }

  bool AddToList(std::size_t margin, std::string_view content) {
    if (margin > kIndent * depth_) return true;
    in_list_ = false;
    return margin == kIndent * depth_ && content == "]";
  }

  bool AddInside(std::string_view content) {
    const std::size_t is = content.find(kIs);
    if (is != std::string_view::npos && IsKey(content.substr(0, is)))
      return AddField(content.substr(0, is), content.substr(is + kIs.size()));
    constexpr std::string_view kOpens = " {";
    if (!content.ends_with(kOpens) || depth_ == kDepth) return false;
    if (InSa(depth_ + 1)) {
      fields_.clear();
      name_ = content.substr(0, content.size() - kOpens.size());
    }
    ++depth_;
    return true;
  }

  bool AddField(std::string_view key, std::string_view value) {
    if (!IsPrintable(value)) return false;
    // A peer may be called "[".
    in_list_ = value == "[" && !key.ends_with("-id");
    if (!InSa(depth_)) return true;
    return fields_.emplace(std::string(key), std::string(value)).second;
  }

  bool Close() {
    const bool sa = InSa(depth_);
    --depth_;
    return !sa || Finish();
  }

  bool Finish() {
    if (!IsNumber(fields_["uniqueid"])) return false;
    for (const char* key : {"state", "remote-host", "remote-id"}) {
      if (!fields_.contains(key)) return false;
    }
    sas_.push_back({fields_["uniqueid"], EscapeLine(name_), fields_["state"],
                    fields_["remote-host"], fields_["remote-id"]});
    return true;
  }

  // Of an event, the one level of fields that are an IKE_SA's own.
  bool InSa(std::size_t depth) const { return event_ && depth == 2; }

  std::size_t depth_ = 0;
  bool event_ = false, in_list_ = false, replied_ = false;
  std::string name_;
  Fields fields_;
  std::vector<IkeSa> sas_;
};

Error Odd(const std::string& why) {
  return MakeError(Kind::kUnavailable, "IKE_LISTING_ODD",
                   "swanctl's list of IKE_SAs is not as strongSwan 5.9 writes it: " + why,
                   "Run 'swanctl --list-sas --pretty' by hand and compare the version.");
}

}  // namespace

Result<std::vector<IkeSa>> ReadIkeSas(std::string_view listing) {
  Listing reader;
  while (!listing.empty()) {
    const std::size_t end = listing.find('\n');
    const std::string_view line = listing.substr(0, end);
    if (!reader.Add(line)) return Odd("\"" + EscapeLine(line, 80) + "\" does not belong there");
    listing.remove_prefix(end == std::string_view::npos ? listing.size() : end + 1);
  }
  if (!reader.IsComplete()) return Odd("it has no end");
  return reader.Take();
}

}  // namespace signet::services
