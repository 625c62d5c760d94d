#include "tests/support/served.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace signet::testing {
namespace {

// What a configuration is written from.
struct Setting {
  std::string folder;
  std::string port, behind;  // ports of 127.0.0.1
  Snippet snippet;
  KeyAccess access;
  std::string operator/(const std::string& name) const { return folder + "/" + name; }
};

std::string NginxTop(const Setting& s) {
  return "daemon off; user nobody nogroup; worker_processes 2; pid " + s / "pid" +
         "; error_log stderr notice;\n" + s.snippet.outer +
         "\nevents { worker_connections 256; }\n";
}

void WriteNginx(const Setting& s) {
  std::string paths;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    paths += std::string(kind) + "_temp_path " + s / kind + "; ";
  WriteWhole(s / "nginx.conf", NginxTop(s) + "http { access_log off; " + paths +
                                   "\nserver { listen 127.0.0.1:" + s.port + " ssl;\n" +
                                   s.snippet.inner +
                                   "\nlocation / { return 200 \"hello\\n\"; } } }\n");
}

void WriteNginxStream(const Setting& s) {
  WriteWhole(s / "nginx.conf", "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" +
                                   NginxTop(s) + "stream { server { listen 127.0.0.1:" + s.port +
                                   " ssl;\nproxy_pass 127.0.0.1:" + s.behind + ";\n" +
                                   s.snippet.inner + "\n} }\n");
}

void WriteApache(const Setting& s, const std::string& mpm) {
  std::string modules;
  for (const std::string& name : {"mpm_" + mpm, std::string("authz_core"), std::string("ssl")})
    modules += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n";
  WriteWhole(
      s / "httpd.conf",
      modules + "ServerRoot " + s.folder + "\nServerName localhost\nPidFile " + s / "pid" +
          "\nDefaultRuntimeDir " + s.folder + "\nMutex file:" + s.folder +
          " default\nUser www-data\nGroup www-data\nErrorLog /dev/stderr\nLogLevel notice\n" +
          "DocumentRoot " + s / "empty" + "\nListen 127.0.0.1:" + s.port + "\n" + s.snippet.outer +
          "\n<VirtualHost 127.0.0.1:" + s.port + ">\nSSLEngine on\n" + s.snippet.inner +
          "\n</VirtualHost>\n");
}
void WriteApacheEvent(const Setting& s) { WriteApache(s, "event"); }
void WriteApachePrefork(const Setting& s) { WriteApache(s, "prefork"); }

void WriteStunnel(const Setting& s) {
  WriteWhole(s / "stunnel.conf",
             "foreground = yes\npid =\nsyslog = no\nsetuid = nobody\nsetgid = nogroup\n" +
                 s.snippet.outer + "\n[front]\naccept = 127.0.0.1:" + s.port +
                 "\nconnect = 127.0.0.1:" + s.behind + "\n" + s.snippet.inner + "\n");
}

// Everything is the server's own, which starts as that user.
void WriteTomcat(const Setting& s) {
  for (const char* name : {"conf", "logs", "temp", "work", "webapps"})
    std::filesystem::create_directories(s / name);
  WriteWhole(s / "conf/pkcs11.cfg",
             "name = Signet\nlibrary = " + s.access.module + "\nslotListIndex = 0\n");
  WriteWhole(s / "conf/signet.security",  // the twelfth is SunPKCS11 in JDK 17's own list
             "security.provider.12=SunPKCS11 " + s / "conf/pkcs11.cfg" + "\n");
  WriteWhole(
      s / "conf/server.xml",
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + s.snippet.outer +
          "\n<Server port=\"-1\"><Service name=\"Catalina\">\n<Connector address=\"127.0.0.1\" "
          "port=\"" +
          s.port +
          "\" protocol=\"org.apache.coyote.http11.Http11NioProtocol\" SSLEnabled=\"true\" "
          "scheme=\"https\" secure=\"true\">\n<SSLHostConfig protocols=\"TLSv1.2+TLSv1.3\">\n" +
          s.snippet.inner +
          "\n</SSLHostConfig></Connector>\n<Engine name=\"Catalina\" defaultHost=\"localhost\">"
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
  void (*write)(const Setting&);
  Words (*command)(const std::string& folder);
};

constexpr std::array<Row, 6> kRows = {{
    {ServerKind::kNginx,
     {"nginx", "/usr/sbin/nginx", "nobody", true, true},
     "",
     SIGHUP,
     WriteNginx,
     NginxCommand},
    {ServerKind::kNginxStream,
     {"nginx_stream", "/usr/lib/nginx/modules/ngx_stream_module.so", "nobody", true, true},
     "",
     SIGHUP,
     WriteNginxStream,
     NginxCommand},
    {ServerKind::kApacheEvent,
     {"apache_event", "/usr/sbin/apache2", "www-data", true, true},
     "",
     SIGUSR1,
     WriteApacheEvent,
     ApacheCommand},
    {ServerKind::kApachePrefork,
     {"apache_prefork", "/usr/sbin/apache2", "www-data", true, true},
     "",
     SIGUSR1,
     WriteApachePrefork,
     ApacheCommand},
    // Closes its ports for a moment on SIGHUP.
    {ServerKind::kStunnel,
     {"stunnel", "/usr/bin/stunnel4", "nobody", false, false},
     "",
     SIGHUP,
     WriteStunnel,
     StunnelCommand},
    {ServerKind::kTomcat,
     {"tomcat", "/usr/share/tomcat10/bin/bootstrap.jar", "nobody", true, false},
     "nobody",
     0,
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

ServedServer::ServedServer(ServerKind kind, const Snippet& snippet, const KeyAccess& access,
                           std::uint16_t port)
    : kind_(kind), access_(access), port_(port) {
  // The server's other user comes in.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::create_directory(folder_ / "empty");
  RowOf(kind).write(
      {folder_.path(), std::to_string(port), std::to_string(behind_.port()), snippet, access});
}

ServedServer::~ServedServer() {
  if (::testing::Test::HasFailure()) {
    const std::string log = Log();
    std::cerr << "--- " << Traits(kind_).name << " said\n"
              << log.substr(log.size() > 4000 ? log.size() - 4000 : 0) << "---\n";
  }
}

void ServedServer::Start() {
  const Row& row = RowOf(kind_);
  RunOptions options;
  options.user = row.user;
  options.family = true;
  options.command.environment = {{"P11_KIT_SERVER_ADDRESS", access_.address},
                                 {"PKCS11_MODULE_PATH", access_.module}};
  options.command.directory = folder_.path();
  program_ = std::make_unique<RunningProgram>(row.command(folder_.path()), options);
  EXPECT_TRUE(Eventually([this] { return ListensOn(port_) || !program_->Running(); }, Seconds(30)));
  EXPECT_TRUE(program_->Running()) << row.traits.name << " ended: " << Log();
}

void ServedServer::Reload() {
  const int signal = RowOf(kind_).reload;
  if (signal != 0) return program_->Signal(signal);
  Stop();
  Start();
}

int ServedServer::Stop() { return program_->Stop(); }

bool ServedServer::Running() { return program_ != nullptr && program_->Running(); }

std::set<std::string> ServedServer::Users() const {
  // The program leads a session.
  std::istringstream lines(
      MustRun({"ps", "-o", "user:32=", "-s", std::to_string(program_->pid())}));
  std::set<std::string> users;
  for (std::string user; lines >> user;) users.insert(user);
  return users;
}

std::string ServedServer::Log() const { return program_ == nullptr ? "" : program_->Output(); }

}  // namespace signet::testing
