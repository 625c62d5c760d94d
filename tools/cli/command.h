// A command of the administrator's CLI is a row: noun, verb, RPC method, what becomes a parameter
// and what becomes a column. Parsing, help, completion, requests and tables are all made from the
// row. Types only.
#pragma once

#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::tools {

struct Invocation;

// A positional argument. `member` is the parameter it becomes; "certificates[].pem" makes one
// element of an array for each value. Without a member the command's own code reads it.
struct Argument {
  enum class Count { kOne, kOptional, kMany, kAny };
  enum class Source {
    kText,         // the word itself
    kFile,         // the content of the file of that name, - is standard input
    kPairs,        // PURPOSE FILE PURPOSE FILE…: one element of the array `member` for each pair
    kWords,        // all words as one text: "Cisco Tomcat" without quotes
    kIdOrPurpose,  // hex of 8 digits and more is an `id`, anything else a `purpose`
  };
  std::string_view name;  // "PURPOSE"
  std::string_view member = "";
  std::string_view help = "";
  Count count = Count::kOne;
  Source source = Source::kText;
};

struct Option {
  enum class Type {
    kText,
    kInteger,
    kFlag,
    kSwitch,    // on or off: true or false
    kList,      // repeatable: an array
    kListFile,  // a file with one value a line: appended to the array
    kEach,      // for "certificates[].…": once for every element, or once for each of them
  };
  std::string_view flag;  // "--key"
  std::string_view member;
  std::string_view value = "";  // "ALGORITHM", for the help
  std::string_view help = "";
  Type type = Type::kText;
  std::string_view choices = "";  // "pem der chain": for help and completion, the daemon decides
  bool required = false;
};

struct Column {
  enum class As {
    kText,
    kDate,     // a time's day
    kNumber,   // right-aligned
    kDigest,   // the first 16 digits of a fingerprint
    kCount,    // the length of an array
    kIsThere,  // "yes" for a text that is
  };
  std::string_view member;
  std::string_view heading;
  As as = As::kText;
  bool flexible = false;  // goes on below where the terminal is narrow
};

// What is not just parameters in, table out.
enum class Special {
  kNone,
  kDownload,     // the answer is a file: to standard output or -o
  kSign,         // message from a file or standard input, signature out
  kText,         // the answer's `text`, as it is
  kEnvironment,  // the answer's `environment` as shell lines, its other texts as comments
  kUnlock,       // asks for the PIN
  kImport,       // shows what is there, asks, and carries out that plan
  kEvents,       // what happened, and what happens
  kPieces,       // files of many certificates, in several requests
  kRaw,          // rpc METHOD [JSON]
  kCompletion,   // no daemon
};

struct Command {
  std::string_view noun;
  std::string_view verb = "";  // empty: the noun alone is the command
  std::string_view method = "";
  std::string_view summary;
  std::string_view examples = "";
  std::vector<Argument> arguments = {};
  std::vector<Option> options = {};
  std::vector<Column> columns = {};
  std::string_view rows = "";      // the member of the answer whose elements are the lines of a
                                   // table; "items" is a paged list. Empty: one record
  std::string_view question = "";  // asked before; "{PURPOSE}" is that argument. Empty: none
  std::string_view hint = "";      // said afterwards; "{csr}" is that member of the answer
  std::string_view verdict = "";   // a boolean member: false is exit code 1
  Special special = Special::kNone;
  bool patient = false;     // waits for servers: for hours, if it must
  bool local_only = false;  // refused by --url before anything is sent
  // Set: carried out by this alone, without a daemon; it prints its data and says the exit code.
  Result<int> (*without_daemon)(const Invocation&) = nullptr;
};

}  // namespace signet::tools
