#include "tests/support/served.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <regex>
#include <sstream>

namespace signet::testing {
namespace {

// What a configuration is written from.
struct Setting {
  std::string folder;
  std::string port, behind;  // ports of 127.0.0.1
  KeyAccess access;
  std::string operator/(const std::string& name) const { return folder + "/" + name; }
};

// What stands at the top of a server's file, and the whole block of one TLS side.
struct Text {
  std::string top, side;
};
using Printed = std::vector<PrintedSnippet>;

// The second pair where the comment says that it goes; OTHER stands for its file.
std::string Paired(const std::string& text, const std::string& other) {
  std::smatch file;
  EXPECT_TRUE(std::regex_search(other, file, std::regex("[Ii]nclude \\S*/(\\S+)\\.conf"))) << other;
  return Replaced(text, "# A second pair beside it[^:]*: (\\S+ \\S+/)OTHER\\.conf",
                  "$1" + file[1].str() + ".conf");
}

// The text below the place, for one pair or for two.
std::string Side(const Printed& printed, const std::string& place) {
  const std::string& text = printed[0].Under(place);
  return printed.size() < 2 ? text : Paired(text, printed[1].Under(place));
}

// ---- nginx

Text NginxByHand(const Setting& s, const Snippet& snippet) {
  return {snippet.outer,
          "server { listen 127.0.0.1:" + s.port + " ssl;\n" + snippet.inner + "\n}\n"};
}

Text NginxPrinted(const Setting& s, const Printed& printed) {
  return {
      printed[0].Under("nginx.conf, at the top"),
      Replaced(Side(printed, "/conf.d/"), "listen 443 ssl", "listen 127.0.0.1:" + s.port + " ssl")};
}

Text NginxStreamByHand(const Setting& s, const Snippet& snippet) {
  return {snippet.outer, "stream { server { listen 127.0.0.1:" + s.port +
                             " ssl;\nproxy_pass 127.0.0.1:" + s.behind + ";\n" + snippet.inner +
                             "\n} }\n"};
}

Text NginxStreamPrinted(const Setting& s, const Printed& printed) {
  const std::string side = Replaced(Side(printed, "nginx.conf, beside http"), "listen \\d+ ssl",
                                    "listen 127.0.0.1:" + s.port + " ssl");
  return {printed[0].Under("nginx.conf, at the top"),
          Replaced(side, "proxy_pass 127.0.0.1:\\d+", "proxy_pass 127.0.0.1:" + s.behind)};
}

std::string NginxTop(const Setting& s, const Text& text) {
  return "daemon off; user nobody nogroup; worker_processes 2; pid " + s / "pid" +
         "; error_log stderr notice;\n" + text.top + "\nevents { worker_connections 256; }\n";
}

void WriteNginx(const Setting& s, const Text& text) {
  std::string paths;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    paths += std::string(kind) + "_temp_path " + s / kind + "; ";
  WriteWhole(s / "nginx.conf", NginxTop(s, text) + "http { access_log off; log_not_found off; " +
                                   paths + "\n" + text.side + "}\n");
}

void WriteNginxStream(const Setting& s, const Text& text) {
  WriteWhole(s / "nginx.conf", "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" +
                                   NginxTop(s, text) + text.side);
}

// ---- Apache

Text ApacheByHand(const Setting& s, const Snippet& snippet) {
  return {snippet.outer, "<VirtualHost 127.0.0.1:" + s.port + ">\nSSLEngine on\n" + snippet.inner +
                             "\n</VirtualHost>\n"};
}

Text ApachePrinted(const Setting& s, const Printed& printed) {
  return {"", Replaced(Side(printed, "/sites-available/"), "VirtualHost \\*:443",
                       "VirtualHost 127.0.0.1:" + s.port)};
}

void WriteApache(const Setting& s, const Text& text, const std::string& mpm) {
  std::string modules;
  for (const std::string& name : {"mpm_" + mpm, std::string("authz_core"), std::string("ssl")})
    modules += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n";
  WriteWhole(s / "httpd.conf", modules + "ServerRoot " + s.folder +
                                   "\nServerName localhost\nPidFile " + s / "pid" +
                                   "\nDefaultRuntimeDir " + s.folder + "\nMutex file:" + s.folder +
                                   " default\nUser www-data\nGroup www-data\nErrorLog "
                                   "/dev/stderr\nLogLevel notice ssl:info\n" +
                                   "DocumentRoot " + s / "empty" + "\nListen 127.0.0.1:" + s.port +
                                   "\n" + text.top + "\n" + text.side);
}
void WriteApacheEvent(const Setting& s, const Text& text) { WriteApache(s, text, "event"); }
void WriteApachePrefork(const Setting& s, const Text& text) { WriteApache(s, text, "prefork"); }

// ---- stunnel

Text StunnelByHand(const Setting& s, const Snippet& snippet) {
  return {"foreground = yes\npid =\n" + snippet.outer, "\n[front]\naccept = 127.0.0.1:" + s.port +
                                                           "\nconnect = 127.0.0.1:" + s.behind +
                                                           "\n" + snippet.inner + "\n"};
}

Text StunnelPrinted(const Setting& s, const Printed& printed) {
  // It is started as the unit has it.
  const std::string unit = printed[0].Under("/etc/systemd/system/");
  EXPECT_NE(unit.find("\nUser=nobody\nGroup=nogroup\n"), std::string::npos) << unit;
  const std::string text =
      Replaced(printed[0].Under("/etc/stunnel/"), "0\\.0\\.0\\.0:8443", "127.0.0.1:" + s.port);
  return {Replaced(text, "127\\.0\\.0\\.1:8080", "127.0.0.1:" + s.behind), ""};
}

void WriteStunnel(const Setting& s, const Text& text) {
  WriteWhole(s / "stunnel.conf", "syslog = no\n" + text.top + text.side);
}

// ---- Tomcat

Text TomcatByHand(const Setting& s, const Snippet& snippet) {
  WriteWhole(s / "conf/pkcs11.cfg",
             "name = Signet\nlibrary = " + s.access.module + "\nslotListIndex = 0\n");
  WriteWhole(s / "conf/signet.security",  // the twelfth is SunPKCS11 in JDK 17's own list
             "security.provider.12=SunPKCS11 " + s / "conf/pkcs11.cfg" + "\n");
  return {snippet.outer,
          "<Connector address=\"127.0.0.1\" port=\"" + s.port +
              "\" protocol=\"org.apache.coyote.http11.Http11NioProtocol\" SSLEnabled=\"true\" "
              "scheme=\"https\" secure=\"true\">\n<SSLHostConfig protocols=\"TLSv1.2+TLSv1.3\">\n" +
              snippet.inner + "\n</SSLHostConfig></Connector>\n"};
}

// A second purpose is a second entity.
Text TomcatPrinted(const Setting& s, const Printed& printed) {
  const PrintedSnippet& first = printed[0];
  for (const std::string name : {"signet-pkcs11.cfg", "signet.security"}) {
    const std::string text = first.Under(name);
    const bool names_others = text.find("/etc/tomcat10") != std::string::npos;
    WriteWhole(s / ("conf/" + name),
               names_others ? Replaced(text, "/etc/tomcat10", s / "conf") : text);
  }
  Text text = {first.Under("above <Server>"),
               Replaced(first.Under("inside <Service>"), "port=\"8443\"",
                        "address=\"127.0.0.1\" port=\"" + s.port + "\"")};
  if (printed.size() < 2) return text;
  const std::string entity = "<!ENTITY [^>]*>", use = "&[^;]*;";
  const std::string other_top = printed[1].Under("above <Server>");
  const std::string other_side = printed[1].Under("inside <Service>");
  std::smatch found;
  if (std::regex_search(other_top, found, std::regex(entity)))
    text.top = Replaced(text.top, entity, "$&\n" + found.str());
  if (std::regex_search(other_side, found, std::regex(use)))
    text.side = Replaced(text.side, use, "$&\n" + found.str());
  return text;
}

// Everything is the server's own, which starts as that user.
void WriteTomcat(const Setting& s, const Text& text) {
  WriteWhole(s / "conf/server.xml",
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + text.top +
                 "\n<Server port=\"-1\"><Service name=\"Catalina\">\n" + text.side +
                 "<Engine name=\"Catalina\" defaultHost=\"localhost\">"
                 "<Host name=\"localhost\" appBase=\"webapps\"/></Engine>\n</Service></Server>\n");
  MustRun({"chown", "-R", "nobody:nogroup", s.folder});
}

using Words = std::vector<std::string>;

Words NginxCommand(const std::string& folder) {
  return {"/usr/sbin/nginx", "-p", folder, "-c", folder + "/nginx.conf", "-e", "stderr"};
}
Words ApacheCommand(const std::string& folder) {
  return {"/usr/sbin/apache2", "-DFOREGROUND", "-f", folder + "/httpd.conf"};
}
Words StunnelCommand(const std::string& folder) {
  return {"/usr/bin/stunnel4", folder + "/stunnel.conf"};
}
Words TomcatCommand(const std::string& folder) {
  const std::string home = "/usr/share/tomcat10";
  return {"/usr/bin/java",
          "-Xmx128m",
          "-XX:+UseSerialGC",
          "-XX:TieredStopAtLevel=1",  // starts in half the time
          "-Djava.security.properties=" + folder + "/conf/signet.security",
          "-Dcatalina.home=" + home,
          "-Dcatalina.base=" + folder,
          "-Djava.io.tmpdir=" + folder + "/temp",
          "-cp",
          home + "/bin/bootstrap.jar:" + home + "/bin/tomcat-juli.jar",
          "org.apache.catalina.startup.Bootstrap",
          "start"};
}

// How a kind is configured, started and told about a renewal.
struct Row {
  ServerKind kind;
  ServerTraits traits;
  const char* user;  // who starts it, empty: root
  int reload;        // the signal; 0: it must be started anew
  Text (*by_hand)(const Setting&, const Snippet&);
  Text (*printed)(const Setting&, const Printed&);
  void (*write)(const Setting&, const Text&);
  Words (*command)(const std::string& folder);
};

constexpr std::array<Row, 6> kRows = {{
    {ServerKind::kNginx,
     {"nginx", "/usr/sbin/nginx", "nobody", true, true},
     "",
     SIGHUP,
     NginxByHand,
     NginxPrinted,
     WriteNginx,
     NginxCommand},
    {ServerKind::kNginxStream,
     {"nginx_stream", "/usr/lib/nginx/modules/ngx_stream_module.so", "nobody", true, true},
     "",
     SIGHUP,
     NginxStreamByHand,
     NginxStreamPrinted,
     WriteNginxStream,
     NginxCommand},
    {ServerKind::kApacheEvent,
     {"apache_event", "/usr/sbin/apache2", "www-data", true, true},
     "",
     SIGUSR1,
     ApacheByHand,
     ApachePrinted,
     WriteApacheEvent,
     ApacheCommand},
    {ServerKind::kApachePrefork,
     {"apache_prefork", "/usr/sbin/apache2", "www-data", true, true},
     "",
     SIGUSR1,
     ApacheByHand,
     ApachePrinted,
     WriteApachePrefork,
     ApacheCommand},
    // Closes its ports for a moment on SIGHUP.
    {ServerKind::kStunnel,
     {"stunnel", "/usr/bin/stunnel4", "nobody", false, false},
     "nobody",
     SIGHUP,
     StunnelByHand,
     StunnelPrinted,
     WriteStunnel,
     StunnelCommand},
    {ServerKind::kTomcat,
     {"tomcat", "/usr/share/tomcat10/bin/bootstrap.jar", "nobody", true, false},
     "nobody",
     0,
     TomcatByHand,
     TomcatPrinted,
     WriteTomcat,
     TomcatCommand},
}};

const Row& RowOf(ServerKind kind) {
  for (const Row& row : kRows) {
    if (row.kind == kind) return row;
  }
  std::abort();
}

}  // namespace

const ServerTraits& Traits(ServerKind kind) { return RowOf(kind).traits; }

std::string ServedServer::WhyNot(ServerKind kind) {
  if (::geteuid() != 0) return "only root can give a server's workers another user";
  for (const char* file : {Traits(kind).program, kP11KitClient}) {
    if (!std::filesystem::exists(file)) return std::string(file) + " is not installed";
  }
  return {};
}

// Tomcat's folders are there for all.
ServedFiles::ServedFiles(ServerKind kind, KeyAccess access, std::uint16_t behind)
    : kind_(kind),
      access_(std::move(access)),
      answers_(behind != 0 ? nullptr
                           : std::make_unique<AnsweringServer>("HTTP/1.0 200 OK\r\n\r\nhello\n",
                                                               AnsweringServer::When::kWhenAsked)),
      behind_(behind != 0 ? behind : answers_->port()) {
  // The server's other user comes in.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  for (const char* name : {"empty", "conf", "logs", "temp", "work", "webapps"})
    std::filesystem::create_directory(folder_ / name);
}

void ServedFiles::Write(const Snippet& snippet) const {
  const Setting setting{folder(), std::to_string(port_), std::to_string(behind_), access_};
  RowOf(kind_).write(setting, RowOf(kind_).by_hand(setting, snippet));
}

void ServedFiles::Write(const std::vector<PrintedSnippet>& printed) const {
  const Setting setting{folder(), std::to_string(port_), std::to_string(behind_), access_};
  RowOf(kind_).write(setting, RowOf(kind_).printed(setting, printed));
}

std::vector<std::string> ServedFiles::Command() const { return RowOf(kind_).command(folder()); }

Environment ServedFiles::Variables() const {
  return {{"P11_KIT_SERVER_ADDRESS", access_.address}, {"PKCS11_MODULE_PATH", access_.module}};
}

std::string ServedFiles::User() const { return RowOf(kind_).user; }

ServedServer::~ServedServer() {
  if (::testing::Test::HasFailure()) {
    const std::string log = Log();
    std::cerr << "--- " << Traits(files_.kind()).name << " said\n"
              << log.substr(log.size() > 4000 ? log.size() - 4000 : 0) << "---\n";
  }
}

void ServedServer::Start() {
  RunOptions options;
  options.user = files_.User();
  options.family = true;
  options.command.environment = files_.Variables();
  options.command.directory = files_.folder();
  program_ = std::make_unique<RunningProgram>(files_.Command(), options);
  EXPECT_TRUE(
      Eventually([this] { return ListensOn(port()) || !program_->Running(); }, Seconds(30)));
  EXPECT_TRUE(program_->Running()) << Traits(files_.kind()).name << " ended: " << Log();
}

void ServedServer::Reload() {
  const int signal = RowOf(files_.kind()).reload;
  before_ = Processes();
  std::erase(before_, program_->pid());
  if (signal != 0) return program_->Signal(signal);
  Stop();
  Start();
}

void ServedServer::AwaitLastOldWorker() const {
  const auto are_gone = [this] {
    const std::vector<pid_t> now = Processes();
    return std::none_of(before_.begin(), before_.end(), [&](pid_t pid) {
      return std::find(now.begin(), now.end(), pid) != now.end();
    });
  };
  EXPECT_TRUE(Eventually(are_gone, Seconds(20)));
}

int ServedServer::Stop() { return program_->Stop(); }

bool ServedServer::Running() { return program_ != nullptr && program_->Running(); }

std::vector<std::string> ServedServer::Column(const std::string& name) const {
  // The program leads a session.
  std::istringstream lines(
      MustRun({"ps", "-o", name + "=", "-s", std::to_string(program_->pid())}));
  std::vector<std::string> column;
  for (std::string value; lines >> value;) column.push_back(value);
  return column;
}

std::set<std::string> ServedServer::Users() const {
  const std::vector<std::string> users = Column("user:32");
  return {users.begin(), users.end()};
}

std::vector<pid_t> ServedServer::Processes() const {
  std::vector<pid_t> processes;
  for (const std::string& text : Column("pid")) processes.push_back(std::stoi(text));
  return processes;
}

std::string ServedServer::Log() const { return program_ == nullptr ? "" : program_->Output(); }

}  // namespace signet::testing
