// Errors, secrets, encodings and the process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>

#include "platform/encoding.h"
#include "platform/error.h"
#include "platform/process.h"
#include "platform/secret.h"
#include "platform/users.h"

namespace signet {
namespace {

using ::testing::HasSubstr;

TEST(Error, KindNamesAreUniqueAndComeBack) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Kind::kInternal); ++i) {
    const Kind kind = static_cast<Kind>(i);
    EXPECT_TRUE(names.insert(KindName(kind)).second);
    EXPECT_EQ(KindFromName(KindName(kind)), kind);
    EXPECT_GE(ExitCode(kind), 1);
    EXPECT_LE(ExitCode(kind), 7);
  }
  EXPECT_EQ(KindName(Kind::kNotFound), "not-found");
  EXPECT_EQ(KindFromName("nonsense"), Kind::kInternal);
}

TEST(Error, TryHandsTheErrorOn) {
  const auto inner = []() -> Result<int> {
    return MakeError(Kind::kConflict, "MOVED", "it moved\n");
  };
  const auto outer = [&]() -> Status {
    SIGNET_TRY(const int value, inner());
    (void)value;
    return Ok();
  };
  const Status status = outer();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().ToString(), "MOVED: it moved\\x0a");
  EXPECT_THAT(status.error().where.file_name(), HasSubstr("basics_test.cc"));
}

TEST(Error, ErrnoIsTranslatedWithARemedy) {
  EXPECT_EQ(ErrnoError(ENOSPC, "x", "/p").word, "STORAGE_FULL");
  EXPECT_EQ(ErrnoError(EDQUOT, "x", "/p").word, "STORAGE_FULL");
  EXPECT_EQ(ErrnoError(ENOENT, "x", "/p").word, "FILE_NOT_FOUND");
  EXPECT_EQ(ErrnoError(EIO, "x", "/p").word, "IO_FAILED");
  for (const int number : {ENOSPC, ENOENT, EIO, EACCES}) {
    EXPECT_FALSE(ErrnoError(number, "x", "/p").remedy.empty());
    EXPECT_EQ(ErrnoError(number, "x", "/p").origin.domain, "errno");
  }
}

TEST(Error, OpenSslsQueueIsDrained) {
  const unsigned char junk[] = {0x30, 0x80, 0xff};
  const unsigned char* at = junk;
  EXPECT_EQ(d2i_X509(nullptr, &at, sizeof junk), nullptr);
  const Error error = OpenSslError(Kind::kUsage, "NOT_DER", "cannot read");
  EXPECT_THAT(error.detail, HasSubstr("cannot read: "));
  EXPECT_EQ(error.origin.domain, "OpenSSL");
  EXPECT_NE(error.origin.value, 0u);
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_EQ(OpenSslError(Kind::kUsage, "X", "nothing").detail, "nothing");
}

TEST(Error, FindingsKnowWhetherOneIsAnError) {
  EXPECT_FALSE(HasErrors({}));
  EXPECT_FALSE(HasErrors({{Severity::kWarning, "A", "", ""}}));
  EXPECT_TRUE(HasErrors({{Severity::kWarning, "A", "", ""}, {Severity::kError, "B", "", ""}}));
}

TEST(Secret, LivesInTheSecureHeapAndMoves) {
  InitialiseSecretMemory();
  InitialiseSecretMemory();  // twice does no harm
  Secret pin("123456");
  EXPECT_EQ(CRYPTO_secure_allocated(pin.Reveal().data()), 1);
  Secret moved = std::move(pin);
  EXPECT_TRUE(pin.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved.Reveal(), "123456");
  Secret other("abc");
  other = std::move(moved);
  EXPECT_EQ(other.Reveal(), "123456");
  const Secret copy = other.Clone();
  EXPECT_EQ(copy.Reveal(), "123456");
  EXPECT_NE(copy.Reveal().data(), other.Reveal().data());
  EXPECT_TRUE(Secret("").empty());
  EXPECT_TRUE(Secret().Clone().empty());
}

TEST(Secret, FallsBackToOrdinaryMemoryWhenTheHeapIsFull) {
  InitialiseSecretMemory(4096);
  std::vector<Secret> many;
  for (int i = 0; i < 100; ++i) many.emplace_back(std::string(200, 'x'));
  for (const Secret& secret : many) EXPECT_EQ(secret.Reveal().size(), 200u);
}

TEST(Secret, WorksWithoutASecureHeap) {
  Secret secret("0000");
  EXPECT_EQ(secret.Reveal(), "0000");
}

TEST(Secret, JsonInWipingStorageIsReadBack) {
  WipingResource resource;
  const boost::json::value value = boost::json::parse(R"({"a": ["x", 1, {"b": null}]})", &resource);
  EXPECT_EQ(boost::json::serialize(value), R"({"a":["x",1,{"b":null}]})");
  WipedString text(100, 'k');
  text += "more";
  EXPECT_EQ(text.size(), 104u);
}

TEST(Encoding, HexIsStrict) {
  EXPECT_EQ(HexEncode(std::string_view("\x00\xff\x10", 3)), "00ff10");
  EXPECT_EQ(HexDecode("00fF10").value(), std::string("\x00\xff\x10", 3));
  EXPECT_EQ(HexDecode("").value(), "");
  for (const char* text : {"0", "0g", "0x00", " 00", "00\n", "00 0"}) {
    EXPECT_EQ(HexDecode(text).error().word, "NOT_HEX") << text;
  }
}

TEST(Encoding, Base64RoundTripsEveryLength) {
  for (std::size_t size = 0; size < 100; ++size) {
    const Bytes bytes = RandomBytes(size);
    const auto back = Base64Decode(Base64Encode(bytes));
    ASSERT_TRUE(back);
    EXPECT_EQ(back.value(), bytes);
  }
  EXPECT_EQ(Base64Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64Encode(std::string(60, 'x')).find('\n'), std::string::npos);
}

TEST(Encoding, Base64IsStrict) {
  for (const char* text : {"Zg",   "Zg=",       "Zg===",      "Zh==",  "Zm9=",   "Zm8=Zg==", "=",
                           "==",   "====",      "Zg==\n",     " Zg==", "Zm9v\n", "Zm 9v===", "Z===",
                           "Zm-_", "Zm9v Zm9v", "Zm9v\nZm9v", "A=AA",  "\tm9v",  "Zm9v===="}) {
    EXPECT_EQ(Base64Decode(text).error().word, "NOT_BASE64") << text;
  }
  EXPECT_FALSE(Base64Decode(std::string_view("Zg\0=", 4)));
}

TEST(Encoding, DigestsAndRandomNames) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("").size(), 32u);
  EXPECT_EQ(RandomHex(16).size(), 32u);
  EXPECT_NE(RandomHex(16), RandomHex(16));
}

TEST(EscapeLine, HostileTextBecomesOneHarmlessLine) {
  EXPECT_EQ(EscapeLine("plain Übung 漢字 🙂"), "plain Übung 漢字 🙂");
  EXPECT_EQ(EscapeLine("a\r\nb\tc"), "a\\x0d\\x0ab\\x09c");
  EXPECT_EQ(EscapeLine("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(EscapeLine(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(EscapeLine("\u202Egnp.exe"), "\\u{202E}gnp.exe");
  EXPECT_EQ(EscapeLine("a\u2066b\u2069c\u200F"), "a\\u{2066}b\\u{2069}c\\u{200F}");
  EXPECT_EQ(EscapeLine("a\u2028b\u2029"), "a\\u{2028}b\\u{2029}");
  EXPECT_EQ(EscapeLine("\u009b31m"), "\\u{009B}31m");  // CSI as one C1 character
}

TEST(EscapeLine, InvalidUtf8IsShownByteByByte) {
  EXPECT_EQ(EscapeLine("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(EscapeLine("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(EscapeLine("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(EscapeLine("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(EscapeLine("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(EscapeLine("a\xe2\x82"), "a\\xe2\\x82");                  // cut off
  EXPECT_EQ(EscapeLine("\xe2\x82\x41"),
            "\\xe2\\x82"
            "A");
}

TEST(EscapeLine, TheLimitNeverCutsACharacter) {
  EXPECT_EQ(EscapeLine("abcdef", 6), "abcdef");
  EXPECT_EQ(EscapeLine("abcdefg", 6), "abcdef…");
  EXPECT_EQ(EscapeLine("aé", 2), "a…");
  EXPECT_EQ(EscapeLine("ab\n", 4), "ab…");
  EXPECT_EQ(EscapeLine("x", 0), "…");
  EXPECT_EQ(EscapeLine("", 0), "");
  EXPECT_EQ(EscapeLine(std::string(100000, 'x')).size(), 512u + 3u);
}

TEST(EscapeLine, EscapedTextStaysAsItIs) {
  const std::string once = EscapeLine("a\n\u202E\xff");
  EXPECT_EQ(EscapeLine(once), once);
}

TEST(Process, HardeningForbidsCoreDumps) {
  ASSERT_TRUE(HardenProcess());
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
  EXPECT_EQ(limit.rlim_max, 0u);
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

TEST(Process, DangerousVariablesAreRemovedAndOthersStay) {
  const std::vector<const char*> names{"OPENSSL_CONF",  "SSL_CERT_FILE", "LD_PRELOAD",
                                       "SOFTHSM2_CONF", "P11_KIT_X",     "GLIBC_TUNABLES",
                                       "PKCS11_Y"};
  for (const char* name : names) ::setenv(name, "/evil", 1);
  ::setenv("SIGNET_HARMLESS", "1", 1);
  ClearDangerousEnvironment();
  for (const char* name : names) EXPECT_EQ(std::getenv(name), nullptr) << name;
  EXPECT_NE(std::getenv("SIGNET_HARMLESS"), nullptr);
  EXPECT_FALSE(HostName().empty());
}

TEST(Accounts, UsersAndGroupsAreFoundByName) {
  EXPECT_EQ(FindUser("root").value().uid, 0u);
  EXPECT_EQ(FindUser("root").value().gid, 0u);
  EXPECT_EQ(FirstGroupOf("root"), "root");
  EXPECT_EQ(FirstGroupOf("nobody"), "nogroup");
  EXPECT_EQ(FirstGroupOf("no such"), "");
  EXPECT_EQ(FindGroup("root").value(), 0u);
  EXPECT_EQ(FindUser("no\nsuch").error().word, "USER_UNKNOWN");
  EXPECT_THAT(FindUser("no\nsuch").error().detail, HasSubstr("no\\x0asuch"));
  EXPECT_EQ(FindGroup("no-such-group").error().word, "GROUP_UNKNOWN");
  EXPECT_FALSE(FindGroup("no-such-group").error().remedy.empty());
}

}  // namespace
}  // namespace signet
