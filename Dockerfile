# The three programs of TenantsDB. One image for each daemon; both hold `tdb` too:
#
#   docker build --target proxy   -t tenantsdb-proxy .
#   docker build --target control -t tenantsdb-control .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The same script that CI runs.
RUN scripts/image-tree.sh release /image

FROM debian:bookworm-slim AS programs
COPY --from=build /image/ /
# No shell account is needed to own a folder and to listen above port 1024.
COPY --from=build --chown=65532:65532 /image/var/lib/tenantsdb /var/lib/tenantsdb
USER 65532:65532
WORKDIR /var/lib/tenantsdb
VOLUME /var/lib/tenantsdb

FROM programs AS control
EXPOSE 6080
HEALTHCHECK --interval=10s --timeout=5s CMD ["tenantsdb-control", "health"]
ENTRYPOINT ["tenantsdb-control"]
CMD ["run", "--data", "/var/lib/tenantsdb", "--listen", "0.0.0.0:6080"]

FROM programs AS proxy
EXPOSE 6432 6306 6307 6380
HEALTHCHECK --interval=10s --timeout=5s CMD ["tenantsdb-proxy", "health"]
ENTRYPOINT ["tenantsdb-proxy"]
CMD ["run", "--data", "/var/lib/tenantsdb", "--postgres-listen", "0.0.0.0:6432", \
  "--mariadb-listen", "0.0.0.0:6306", "--mysql-listen", "0.0.0.0:6307", \
  "--redis-listen", "0.0.0.0:6380"]
