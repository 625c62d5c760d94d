// What certificates and trust stores cost: a chain check against X509_verify_cert by itself,
// reading and judging bundles, and a daemon whose store holds a thousand and ten thousand
// certificates (a hundred thousand with --large).
#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "keystore/x509/chain.h"
#include "keystore/x509/pem.h"
#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main
namespace json = signet::json;
namespace x509 = signet::keystore::x509;

namespace {

constexpr std::size_t kUpload = 20'000;  // certificates a bundle (SPEC C5a)
constexpr char kStore[] = "tomcat-trust";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) Die("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The certificates come from a foreign tool; what was made before is taken again.
void Make(const std::vector<std::string>& arguments, const std::string& result) {
  if (std::filesystem::exists(result)) return;
  std::vector<std::string> command{"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Program(command, result + ".log").ReadLine();  // until it ends
  if (!std::filesystem::exists(result)) Die("no certificates: see " + result + ".log");
}

std::string ManyCertificates(const std::string& folder, std::size_t count) {
  const std::string path = folder + "/many-" + std::to_string(count) + ".pem";
  Make({"bundle", std::to_string(count), path}, path);
  return ReadAll(path);
}

// Pieces of at most kUpload certificates.
std::vector<std::string_view> Split(std::string_view pem) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  std::size_t count = 0;
  for (std::size_t at = pem.find(kEnd); at != std::string_view::npos; at = pem.find(kEnd, at)) {
    at += kEnd.size();
    if (++count < kUpload && at < pem.size()) continue;
    pieces.push_back(pem.substr(begin, at - begin));
    begin = at;
    count = 0;
  }
  return pieces;
}

// ---- a chain of three

struct Chain {
  explicit Chain(const std::string& prefix)
      : leaf_der(ReadAll(prefix + "leaf.der")),
        root(Must(x509::Certificate::FromDer(ReadAll(prefix + "root.der")))),
        middle(Must(x509::Certificate::FromDer(ReadAll(prefix + "int.der")))),
        leaf(Must(x509::Certificate::FromDer(leaf_der))) {}
  std::string leaf_der;
  x509::Certificate root, middle, leaf;
};

// As a TLS library does it: a store with the root, the intermediate from the peer.
void VerifyPlainly(const Chain& chain, signet::WallTime time) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, chain.root.handle());
  STACK_OF(X509)* untrusted = sk_X509_new_null();
  sk_X509_push(untrusted, chain.middle.handle());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, chain.leaf.handle(), untrusted);
  X509_STORE_CTX_set_time(context, 0, static_cast<time_t>(time.time_since_epoch().count()));
  if (X509_verify_cert(context) != 1) Die("OpenSSL refuses the chain");
  X509_STORE_CTX_free(context);
  sk_X509_free(untrusted);
  X509_STORE_free(store);
}

void ParsePlainly(const std::string& der) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
  X509* parsed = d2i_X509(nullptr, &octets, static_cast<long>(der.size()));
  if (parsed == nullptr) Die("OpenSSL refuses the certificate");
  X509_free(parsed);
}

x509::TrustView::LookUp OnlyOne(const x509::Certificate& certificate) {
  return [certificate](const std::string& name, const std::string&) {
    std::vector<x509::Certificate> found;
    if (certificate.fields().subject_der == name) found.push_back(certificate);
    return found;
  };
}

void BenchChain(const char* name, const Chain& chain, int rounds) {
  constexpr int kCalls = 200;  // a measurement
  const x509::TrustView trust{OnlyOne(chain.root), OnlyOne(chain.middle)};
  x509::ChainPolicy policy;
  policy.time = signet::WallTime(std::chrono::seconds(::time(nullptr)));
  const auto check = [&](const x509::Certificate& leaf) {
    const auto verdict = x509::VerifyPath(leaf, {}, trust, policy);
    if (!verdict.accepted()) Die("the chain is refused: " + verdict.findings.front().text);
  };
  const auto microseconds = [&](const std::function<void()>& work) {
    return 1e6 / kCalls * SecondsOf([&] {
             for (int i = 0; i < kCalls; ++i) work();
           });
  };
  std::vector<double> plain, ours, parsed, decoded, ratio, parsed_ratio, like_for_like;
  for (int round = 0; round < rounds + 1; ++round) {
    const double a = microseconds([&] { VerifyPlainly(chain, policy.time); });
    const double b = microseconds([&] { check(chain.leaf); });
    const double c = microseconds([&] { check(Must(x509::Certificate::FromDer(chain.leaf_der))); });
    const double d = microseconds([&] { ParsePlainly(chain.leaf_der); });
    if (round == 0) continue;  // warms up
    plain.push_back(a);
    ours.push_back(b);
    parsed.push_back(c);
    decoded.push_back(d);
    ratio.push_back(b / a);
    parsed_ratio.push_back(c / a);
    like_for_like.push_back(c / (a + d));
  }
  std::printf("%-9s %12.1f %12.1f %8.2f | %12.1f %8.2f | %10.1f %8.2f\n", name, Median(plain),
              Median(ours), Median(ratio), Median(parsed), Median(parsed_ratio), Median(decoded),
              Median(like_for_like));
}

void BenchChains(const std::string& certs, int rounds) {
  Make({"chain", certs}, certs + "/ec-leaf.der");
  std::printf("leaf, intermediate, root: microseconds, medians of %d, ratios to X509_verify_cert\n",
              rounds);
  std::printf("%-9s %12s %12s %8s | %12s %8s | %10s %8s\n", "key", "verify_cert", "VerifyPath",
              "ratio", "leaf parsed", "ratio", "d2i_X509", "to both");
  BenchChain("RSA-2048", Chain(certs + "/rsa-"), rounds);
  BenchChain("P-256", Chain(certs + "/ec-"), rounds);
}

// ---- bundles

void BenchBundles(const std::string& certs, const std::vector<std::size_t>& sizes, int rounds) {
  std::printf("\nbundles in the process: certificates a second, medians of %d\n", rounds);
  std::printf("%9s %12s %12s %12s\n", "size", "ReadBundle", "CheckBundle", "both");
  const signet::WallTime now(std::chrono::seconds(::time(nullptr)));
  std::vector<std::vector<double>> reads(sizes.size()), checks(sizes.size());
  std::vector<std::string> pems;
  for (const std::size_t size : sizes) pems.push_back(ManyCertificates(certs, size));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      double read = 0;
      double check = 0;
      for (const std::string_view piece : Split(pems[i])) {
        x509::Bundle bundle;
        read += SecondsOf([&] { bundle = Must(x509::ReadBundle(piece, kUpload)); });
        x509::CheckedBundle checked;
        check += SecondsOf(
            [&] { checked = x509::CheckBundle(bundle.certificates, std::nullopt, {}, now); });
        if (!bundle.rejected.empty() || !checked.rejected.empty()) Die("a certificate is refused");
      }
      reads[i].push_back(read);
      checks[i].push_back(check);
    }
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto size = static_cast<double>(sizes[i]);
    const double read = Median(reads[i]);
    const double check = Median(checks[i]);
    std::printf("%9zu %12.0f %12.0f %12.0f\n", sizes[i], size / read, size / check,
                size / (read + check));
  }
}

// ---- the daemon

// What is measured of a store of one size.
struct StoreFigures {
  std::size_t size = 0;
  std::string folder;
  double upload = 0;                                  // s
  std::vector<double> first, middle, last, filtered;  // ms a page
  std::vector<double> start;                          // s
  double resident = 0;                                // MB
};

void Upload(const Daemon& daemon, std::string_view pem) {
  Connection connection(daemon.socket());
  for (const std::string_view piece : Split(pem)) {
    const json::object certificate{{"pem", json::string(piece.data(), piece.size())}};
    Call(connection, "trust.upload",
         {{"store", kStore}, {"mode", "bundle"}, {"certificates", json::array{certificate}}});
  }
}

json::object PageAfter(const std::string& cursor) {
  json::object params{{"store", kStore}, {"limit", 100}};
  if (!cursor.empty()) params["cursor"] = cursor;
  return params;
}

// The cursors with which the middle and the last full page are asked for.
std::pair<std::string, std::string> FindPages(Connection& connection, std::size_t size) {
  std::vector<std::string> cursors{""};
  std::size_t seen = 0;
  while (true) {
    const json::value page = Call(connection, "trust.list", PageAfter(cursors.back()));
    seen += page.at("items").as_array().size();
    const json::value* next = page.as_object().if_contains("next");
    if (next == nullptr || !next->is_string()) break;
    cursors.emplace_back(next->as_string());
  }
  if (seen < size) Die("the store holds " + std::to_string(seen) + " certificates only");
  return {cursors[cursors.size() / 2], cursors[cursors.size() < 2 ? 0 : cursors.size() - 2]};
}

void MeasurePages(const Daemon& daemon, int rounds, StoreFigures& figures) {
  Connection connection(daemon.socket());
  const auto [middle, last] = FindPages(connection, figures.size);
  json::object filtered = PageAfter("");
  filtered["startsWith"] = "Issuing CA 9";
  const auto measure = [&](const json::object& params, std::vector<double>& out) {
    out.push_back(1e3 * SecondsOf([&] { Call(connection, "trust.list", params); }));
  };
  for (int i = 0; i < rounds; ++i) {
    measure(PageAfter(""), figures.first);
    measure(PageAfter(middle), figures.middle);
    measure(PageAfter(last), figures.last);
    measure(filtered, figures.filtered);
  }
}

void PrintStores(const std::vector<StoreFigures>& all, int rounds) {
  std::printf(
      "\nthe daemon: medians of %d; in the second row of each size its ratio to the first\n",
      rounds);
  std::printf("%9s %12s %9s %9s %9s %11s %10s %10s\n", "size", "uploaded/s", "first ms",
              "middle ms", "last ms", "filtered ms", "start s", "VmRSS MB");
  const auto row = [](const StoreFigures& f) {
    return std::vector<double>{static_cast<double>(f.size) / f.upload,
                               Median(f.first),
                               Median(f.middle),
                               Median(f.last),
                               Median(f.filtered),
                               Median(f.start),
                               f.resident};
  };
  const std::vector<double> base = row(all.front());
  for (const StoreFigures& figures : all) {
    const std::vector<double> v = row(figures);
    std::printf("%9zu %12.0f %9.2f %9.2f %9.2f %11.2f %10.3f %10.1f\n", figures.size, v[0], v[1],
                v[2], v[3], v[4], v[5], v[6]);
    if (&figures == &all.front()) continue;
    std::printf("%8.0fx %12.2f %9.2f %9.2f %9.2f %11.2f %10.2f %10.2f\n",
                static_cast<double>(figures.size) / static_cast<double>(all.front().size),
                v[0] / base[0], v[1] / base[1], v[2] / base[2], v[3] / base[3], v[4] / base[4],
                v[5] / base[5], v[6] / base[6]);
  }
}

void BenchStores(const std::string& certs, const std::vector<std::size_t>& sizes,
                 const ScratchFolder& scratch, const Options& options) {
  std::vector<StoreFigures> all;
  for (const std::size_t size : sizes) {
    StoreFigures& figures = all.emplace_back();
    figures.size = size;
    figures.folder = scratch.Path("store-" + std::to_string(size));
    const std::string pem = ManyCertificates(certs, size);
    const Daemon daemon(figures.folder);
    daemon.WaitUntilReady();
    figures.upload = SecondsOf([&] { Upload(daemon, pem); });
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (StoreFigures& figures : all) {
      const Daemon daemon(figures.folder);
      figures.start.push_back(daemon.start_seconds());
      if (round == 0) {
        sleep(static_cast<unsigned>(options.seconds));
        figures.resident = Memory(daemon.pid(), "VmRSS:");
      }
      MeasurePages(daemon, 3, figures);
    }
  }
  PrintStores(all, options.rounds);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv, {.rounds = 7, .seconds = 5});
  const ScratchFolder scratch;
  const std::string certs = options.certs.empty() ? scratch.Path("certs") : options.certs;
  std::filesystem::create_directories(certs);
  std::vector<std::size_t> sizes{1'000, 10'000};
  if (options.large) sizes.push_back(100'000);
  for (const std::size_t size : sizes) ManyCertificates(certs, size);
  PrintMachine();
  BenchChains(certs, options.rounds);
  BenchBundles(certs, sizes, std::min(options.rounds, 5));
  BenchStores(certs, sizes, scratch, options);
}
