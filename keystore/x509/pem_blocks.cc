#include "keystore/x509/pem_blocks.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxLine = 128 * 1024;  // some tools write base64 on one line
constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

std::string_view Trim(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool Has(std::string_view line, std::string_view word) {
  return line.find(word) != std::string_view::npos;
}

// Explanations may stand between blocks; what looks like a damaged BEGIN or END line may not.
bool LooksLikeBorder(std::string_view line) {
  return Has(line, "--") && (Has(line, "BEGIN") || Has(line, "END "));
}

class BlockFinder {
 public:
  explicit BlockFinder(std::size_t most) : most_(most) {}

  std::vector<PemBlock> Find(std::string_view text) {
    while (!text.empty() && blocks_.size() <= most_) {
      ++line_;
      const char* const start = text.data();
      const std::string_view raw = TakeLine(text);
      Line(raw, start, text.data());
    }
    if (open_) {
      Blame("the last block has no END line");
      Close(text.data());
    }
    return std::move(blocks_);
  }

 private:
  // `start` is where the line begins, `next` where the one after it does.
  void Line(std::string_view raw, const char* start, const char* next) {
    const std::string_view line = Trim(raw);
    if (raw.size() > kMaxLine) {
      if (!open_) Open({}, next);
      Blame("the line is longer than 128 KiB");
    } else if (line.starts_with(kBegin) && line.size() > kBegin.size() + kDashes.size() &&
               line.ends_with(kDashes)) {
      if (open_) {
        Blame("BEGIN inside of a block");
        Close(start);
      }
      Open(line.substr(kBegin.size(), line.size() - kBegin.size() - kDashes.size()), next);
    } else if (open_ && line.starts_with(kEnd)) {
      End(line.substr(kEnd.size()));
      Close(start);
    } else if (LooksLikeBorder(line)) {
      // The END line of a block whose BEGIN line was damaged is no second fault.
      if (open_ && !open_->fault.empty() && Has(line, "BEGIN")) Close(start);
      if (!open_) Open({}, next);
      Blame("a BEGIN or END line is damaged");
    } else if (open_ && Has(line, ":")) {
      Blame("headers inside of a block (RFC 1421) are not taken");
    }
  }

  void Open(std::string_view label, const char* body) {
    open_.emplace();
    open_->line = line_;
    open_->label = label;
    body_ = body;
  }

  void End(std::string_view label_and_dashes) {
    const std::string_view label = open_->label;
    if (!label_and_dashes.starts_with(label) || label_and_dashes.substr(label.size()) != kDashes) {
      Blame("the END line is not that of the block");
    }
    if (open_->fault.empty()) open_->last_line = line_;
  }

  // The first fault of a block is the one that is told.
  void Blame(std::string_view fault) {
    if (!open_->fault.empty()) return;
    open_->fault = fault;
    open_->last_line = line_;
  }

  void Close(const char* end) {
    open_->body = {body_, static_cast<std::size_t>(end - body_)};
    blocks_.push_back(*open_);
    open_.reset();
  }

  const std::size_t most_;
  std::vector<PemBlock> blocks_;
  std::optional<PemBlock> open_;
  const char* body_ = nullptr;
  std::size_t line_ = 0;
};

}  // namespace

std::vector<PemBlock> FindPemBlocks(std::string_view text, std::size_t most) {
  return BlockFinder(most).Find(text);
}

WipedString Base64Of(const PemBlock& block) {
  WipedString out;
  out.reserve(block.body.size() + 32);
  std::string_view text = block.body;
  while (!text.empty()) {
    const std::string_view line = Trim(TakeLine(text));
    if (Has(line, ":") || LooksLikeBorder(line)) continue;
    if (!Has(line, " ") && !Has(line, "\t")) {
      out.append(line);
      continue;
    }
    std::copy_if(line.begin(), line.end(), std::back_inserter(out),
                 [](char c) { return c != ' ' && c != '\t'; });
  }
  return out;
}

}  // namespace signet::keystore::x509
