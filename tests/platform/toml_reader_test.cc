#include "platform/toml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TomlTable Parse(std::string_view text) {
  auto table = ParseToml(text, "signet.toml");
  EXPECT_TRUE(table) << table.error().detail;
  return table.value();
}

TEST(TomlReader, ReadsEveryKindOfValue) {
  TomlTable root = Parse(R"(
name = "a"
count = 3
on = true
list = ["x", "y"]
[rpc]
port = 443
)");
  EXPECT_EQ(root.String("name"), "a");
  EXPECT_EQ(root.Integer("count", 0, 10), 3);
  EXPECT_TRUE(root.Boolean("on"));
  EXPECT_THAT(root.Strings("list", true), ElementsAre("x", "y"));
  TomlTable rpc = root.Table("rpc");
  EXPECT_EQ(rpc.Integer("port", 1, 65535), 443);
  EXPECT_EQ(rpc.String("host", "localhost"), "localhost");
  EXPECT_EQ(rpc.Integer("backlog", 1, 10, 5), 5);
  EXPECT_FALSE(rpc.Boolean("tls", false));
  EXPECT_THAT(rpc.Strings("origins"), ElementsAre());
  EXPECT_FALSE(rpc.Has("host"));
  EXPECT_TRUE(root.Has("rpc"));
  EXPECT_TRUE(root.Table("absent").Tables("none").empty());
  EXPECT_TRUE(root.Finish());
}

TEST(TomlReader, UnknownKeyIsRefusedWithItsLine) {
  TomlTable root = Parse("a = 1\n[rpc]\n  prot = 443\n[other]\nx = 1\n");
  root.Integer("a", 0, 1);
  root.Table("rpc").Integer("port", 1, 65535, 80);
  const Status status = root.Finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, Kind::kUsage);
  EXPECT_EQ(status.error().word, "CONFIG_INVALID");
  EXPECT_FALSE(status.error().remedy.empty());
  EXPECT_EQ(status.error().detail,
            "signet.toml:3:3: unknown key 'prot'\nsignet.toml:4:2: unknown key 'other'");
}

TEST(TomlReader, AllProblemsAreReportedAtOnceInTheOrderOfTheDocument) {
  TomlTable root = Parse(R"(zeta = "text"
count = 99
name = 5
list = ["x", 1]
[table]
flag = "yes"
when = 2026-01-01
)");
  EXPECT_EQ(root.String("name"), "");
  root.Integer("zeta", 0, 1);
  EXPECT_EQ(root.Integer("count", 0, 10), 0);
  root.Strings("list");
  TomlTable table = root.Table("table");
  table.Boolean("flag");
  table.String("when");
  table.String("missing");
  table.Fail("flag", "cannot be");
  table.Fail("", "is odd");
  const Status status = root.Finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().detail,
            "signet.toml:1:8: 'zeta' must be an integer, not a string\n"
            "signet.toml:2:9: 'count' must be 0 to 10, not 99\n"
            "signet.toml:3:8: 'name' must be a string, not an integer\n"
            "signet.toml:4:14: 'list' must be an array of strings, not an integer\n"
            "signet.toml:5:1: 'table.missing' is missing\n"
            "signet.toml:5:1: 'table': is odd\n"
            "signet.toml:6:8: 'table.flag' must be true or false, not a string\n"
            "signet.toml:6:8: 'table.flag': cannot be\n"
            "signet.toml:7:8: 'table.when' must be a string, not a date or time");
}

TEST(TomlReader, MissingKeysOfAnAbsentTableAreReported) {
  TomlTable root = Parse("");
  root.Table("store").Table("etcd").String("endpoint");
  EXPECT_THAT(root.Finish().error().detail, HasSubstr("'store.etcd.endpoint' is missing"));
}

TEST(TomlReader, SyntaxErrorsNameTheirPlace) {
  const auto result = ParseToml("a = 1\nb = = 2\n", "x.toml");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kUsage);
  EXPECT_EQ(result.error().word, "CONFIG_INVALID");
  EXPECT_THAT(result.error().detail, HasSubstr("x.toml:2:5: "));
  for (const char* text : {"a = 1\na = 2\n", "[a]\n[a]\n", "a", "a = \"\xff\"", "\x01"}) {
    EXPECT_FALSE(ParseToml(text, "x")) << text;
  }
}

TEST(TomlReader, NamedTablesKeepTheOrderOfTheDocument) {
  TomlTable root = Parse(
      "[listen.zulu]\nport = 1\n[listen.alpha]\nport = 2\nextra = 1\n[listen.mike]\nport = 3\n");
  std::vector<std::string> names;
  for (auto& [name, table] : root.Named("listen")) {
    names.push_back(name);
    table.Integer("port", 1, 10);
  }
  EXPECT_THAT(names, ElementsAre("zulu", "alpha", "mike"));
  EXPECT_EQ(root.Finish().error().detail, "signet.toml:5:1: unknown key 'extra'");
  TomlTable wrong = Parse("[listen]\nx = 1\n");
  EXPECT_TRUE(wrong.Named("listen").empty());
  EXPECT_FALSE(wrong.Finish());
}

TEST(TomlReader, ArraysOfTablesAndPairs) {
  TomlTable root = Parse(
      "[[rule]]\nid = \"b\"\n[[rule]]\nid = \"a\"\nodd = 1\n[texts]\nz = \"1\"\na = \"2\"\nn = "
      "3\n");
  std::vector<std::string> ids;
  for (TomlTable& rule : root.Tables("rule")) ids.push_back(rule.String("id"));
  EXPECT_THAT(ids, ElementsAre("b", "a"));
  EXPECT_THAT(root.Table("texts").Pairs(), ElementsAre(Pair("z", "1"), Pair("a", "2")));
  EXPECT_EQ(root.Finish().error().detail,
            "signet.toml:5:1: unknown key 'odd'\n"
            "signet.toml:9:5: 'texts.n' must be a string, not an integer");
  TomlTable wrong = Parse("rule = [1]\ntexts = 2\n");
  wrong.Tables("rule");
  wrong.Table("texts");
  EXPECT_EQ(wrong.Finish().error().detail,
            "signet.toml:1:9: 'rule' must be an array of tables, not an integer\n"
            "signet.toml:2:9: 'texts' must be a table, not an integer");
}

TEST(TomlReader, HostileKeysAreEscaped) {
  TomlTable root = Parse("\"a\\nb\\u001b\" = 1\n");
  EXPECT_EQ(root.Finish().error().detail, "signet.toml:1:1: unknown key 'a\\x0ab\\x1b'");
}

TEST(TomlReader, ATableMayOutliveItsRoot) {
  TomlTable child = Parse("[a]\nb = \"c\"\n").Table("a");
  EXPECT_EQ(child.String("b"), "c");
  EXPECT_TRUE(child.Finish());
}

}  // namespace
}  // namespace signet
