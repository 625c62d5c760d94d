// What is remembered of the status of certificates.
#include "services/revocation/status_book.h"

#include <gmock/gmock.h>

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using keystore::x509::OcspStatus;

const WallTime kNow = ParseTime("2026-12-01T00:00:00Z").value();

StatusAnswer Answer(OcspStatus status, WallTime said) {
  StatusAnswer answer;
  answer.status = status;
  answer.word = "OCSP_GOOD";
  answer.source = "OCSP http://ocsp.example.com/";
  answer.this_update = said;
  answer.next_update = said + 7 * 24h;
  answer.asked = answer.fresh_until = kNow;
  return answer;
}

TEST(StatusBookTest, AGoodFromBeforeTheRevocationReplacesNothing) {
  StatusBook book;
  EXPECT_TRUE(book.Note("aa", Answer(OcspStatus::kRevoked, kNow - 1h), kNow));
  const StatusAnswer before = Answer(OcspStatus::kGood, kNow - 24h);
  EXPECT_TRUE(book.IsOutdated("aa", before));
  EXPECT_FALSE(book.Note("aa", before, kNow));
  EXPECT_EQ(book.Find("aa")->status, "revoked");
  EXPECT_TRUE(book.Note("aa", Answer(OcspStatus::kGood, kNow), kNow));
  EXPECT_EQ(book.Find("aa")->status, "good");
}

TEST(StatusBookTest, AsManyRowsAsItTakesAreReadBack) {
  StatusBook book;
  StatusAnswer answer = Answer(OcspStatus::kUnknown, kNow);
  answer.this_update = answer.next_update = std::nullopt;
  answer.detail = std::string(1500, 'x');
  answer.remedy = "Check again in a moment.";
  std::size_t rows = 0;
  for (; rows < 100'000 && book.rows().size() == rows; ++rows)
    book.Note("certificate-" + std::to_string(rows), answer, kNow);
  EXPECT_EQ(book.rows().size(), 20'000u);
  // There is always room for a revocation.
  book.Note("revoked", Answer(OcspStatus::kRevoked, kNow), kNow);
  const StatusBook read = StatusBook::FromText(book.ToText());
  EXPECT_EQ(read.rows().size(), 20'001u);
  ASSERT_NE(read.Find("revoked"), nullptr);
  EXPECT_EQ(read.Find("revoked")->status, "revoked");
}

}  // namespace
}  // namespace signet::services
