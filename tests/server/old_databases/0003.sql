CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE artifacts (
	sha256 VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	media_type VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (sha256)
);
CREATE TABLE jobs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	spec JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	priority BIGINT NOT NULL, 
	lost_leases BIGINT NOT NULL, 
	lease_owner VARCHAR, 
	lease_expires_at DATETIME, 
	progress JSON, 
	error JSON, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT ck_jobs_kind CHECK (kind IN ('train', 'search', 'export')), 
	CONSTRAINT ck_jobs_status CHECK (status IN ('queued', 'running', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled', 'preempted'))
);
CREATE TABLE spaces (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	settings JSON NOT NULL, 
	size VARCHAR NOT NULL, 
	num_choices BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_spaces PRIMARY KEY (id)
);
CREATE TABLE data_sets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	source JSON NOT NULL, 
	version VARCHAR NOT NULL, 
	counts JSON NOT NULL, 
	shape JSON NOT NULL, 
	num_classes BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, report JSON, 
	CONSTRAINT pk_data_sets PRIMARY KEY (id), 
	CONSTRAINT fk_data_sets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_data_sets_name UNIQUE (name)
);
CREATE TABLE job_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	job_id VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	type VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT fk_job_events_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE supernets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	data_set_id VARCHAR NOT NULL, 
	training JSON NOT NULL, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	version VARCHAR, 
	summary JSON, 
	created_at DATETIME NOT NULL, start JSON DEFAULT '{"kind": "scratch"}' NOT NULL, teacher JSON, 
	CONSTRAINT pk_supernets PRIMARY KEY (id), 
	CONSTRAINT fk_supernets_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_supernets_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_supernets_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_supernets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_supernets_job_id UNIQUE (job_id)
);
CREATE TABLE searches (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	searcher JSON NOT NULL, 
	objectives JSON NOT NULL, 
	limits JSON NOT NULL, 
	evaluations BIGINT NOT NULL, 
	evaluator JSON NOT NULL, 
	evaluator_digest VARCHAR NOT NULL, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_searches PRIMARY KEY (id), 
	CONSTRAINT fk_searches_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_searches_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_searches_supernet_id FOREIGN KEY(supernet_id) REFERENCES supernets (id), 
	CONSTRAINT uq_searches_job_id UNIQUE (job_id)
);
CREATE TABLE evaluations (
	id VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	evaluator_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	reason VARCHAR, 
	search_id VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_evaluations PRIMARY KEY (id), 
	CONSTRAINT ck_evaluations_status CHECK (status IN ('measured', 'infeasible', 'failed')), 
	CONSTRAINT fk_evaluations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT fk_evaluations_space_id FOREIGN KEY(space_id) REFERENCES spaces (id)
);
CREATE TABLE exports (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	report_test BOOLEAN NOT NULL, 
	job_id VARCHAR NOT NULL, 
	files JSON NOT NULL, 
	card JSON, 
	test_report JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_exports PRIMARY KEY (id), 
	CONSTRAINT fk_exports_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_exports_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_exports_job_id UNIQUE (job_id)
);
CREATE TABLE measurements (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	occasion BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (id), 
	CONSTRAINT fk_measurements_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_measurements_search_id_occasion_architecture_digest UNIQUE (search_id, occasion, architecture_digest)
);
CREATE TABLE proposals (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	step BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_proposals PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_proposals_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_proposals_search_id_architecture_digest UNIQUE (search_id, architecture_digest)
);
CREATE TABLE observations (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	evaluation_id VARCHAR NOT NULL, 
	step BIGINT NOT NULL, 
	told_order BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_observations PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_observations_evaluation_id FOREIGN KEY(evaluation_id) REFERENCES evaluations (id), 
	CONSTRAINT fk_observations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_observations_search_id_told_order UNIQUE (search_id, told_order)
);
CREATE TABLE test_readings (
	id VARCHAR NOT NULL, 
	export_id VARCHAR NOT NULL, 
	data_set_id VARCHAR NOT NULL, 
	network_digest VARCHAR NOT NULL, 
	result JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_test_readings PRIMARY KEY (id), 
	CONSTRAINT fk_test_readings_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_test_readings_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT uq_test_readings_export_id UNIQUE (export_id)
);
CREATE TABLE uploads (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	completed_at DATETIME, 
	CONSTRAINT pk_uploads PRIMARY KEY (id), 
	CONSTRAINT uq_uploads_sha256_size_bytes_name UNIQUE (sha256, size_bytes, name)
);
CREATE INDEX ix_jobs_kind_id ON jobs (kind, id);
CREATE INDEX ix_jobs_status_priority_id ON jobs (status, priority, id);
CREATE INDEX ix_job_events_job_id_id ON job_events (job_id, id);
CREATE INDEX ix_evaluations_architecture_digest_id ON evaluations (architecture_digest, id);
CREATE INDEX ix_evaluations_evaluator_digest_id ON evaluations (evaluator_digest, id);
CREATE INDEX ix_evaluations_space_id_id ON evaluations (space_id, id);
CREATE UNIQUE INDEX uq_evaluations_failure ON evaluations (search_id, architecture_digest) WHERE status = 'failed';
CREATE UNIQUE INDEX uq_evaluations_result ON evaluations (space_id, architecture_digest, evaluator_digest) WHERE status <> 'failed';
CREATE INDEX ix_exports_architecture_digest_id ON exports (architecture_digest, id);
CREATE INDEX ix_test_readings_network_digest ON test_readings (network_digest);
INSERT INTO alembic_version (version_num) VALUES ('0003');
-- rows
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 100, 'application/octet-stream', '2026-11-21 13:37:31.180000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 100, 'application/octet-stream', '2026-11-21 13:37:31.232000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2000, 'application/vnd.onnx', '2026-11-21 13:37:31.436000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z573hrzv2pthz9dv943etk', 'train', '{"supernet_id":"net_01m7z573hr8ndr05t6yt70rcwm","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z573hc2nmd5tspez406z8c","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:31.192000', '2026-11-21 13:37:31.209000', '2026-11-21 13:37:31.232000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z573kcqh6qcz6mbm55as7s', 'search', '{"search_id":"sea_01m7z573kcpyqjkhjrvrrz46v8","supernet":{"id":"net_01m7z573hr8ndr05t6yt70rcwm","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z573hc2nmd5tspez406z8c","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random"},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"evaluator_digest":"2eebf6fb32535a77","resources":{},"seed":0}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:31.244000', '2026-11-21 13:37:31.259000', '2026-11-21 13:37:31.365000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z573qktp2vwme0mz79ff1a', 'export', '{"export_id":"exp_01m7z573qkzzrje4t1p175c63d","search_id":"sea_01m7z573kcpyqjkhjrvrrz46v8","supernet":{"id":"net_01m7z573hr8ndr05t6yt70rcwm","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z573hc2nmd5tspez406z8c","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"architecture":{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3},"architecture_digest":"fe72135a4c9f6d8a","evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"report_test":true}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:31.379000', '2026-11-21 13:37:31.403000', '2026-11-21 13:37:31.436000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z573t3g9t0vhwfgzk4eg7b', 'train', '{"supernet_id":"net_01m7z573t3xa02egj9xj9c2pys","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z573hc2nmd5tspez406z8c","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:31.459000', '2026-11-21 13:37:31.461000', '2026-11-21 13:37:31.472000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z573tzksx8gjcn69sv2b2k', 'search', '{"search_id":"sea_01m7z573tzkttg5pdjdsdszgec","supernet":{"id":"net_01m7z573t3xa02egj9xj9c2pys","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z573hc2nmd5tspez406z8c","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random"},"objectives":[{"metric":"top1_percent","goal":"maximize"}],"limits":[],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"evaluator_digest":"2eebf6fb32535a77","resources":{},"seed":7}', 'queued', 0, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:31.487000', NULL, NULL);
INSERT INTO spaces ("id", "kind", "settings", "size", "num_choices", "created_at") VALUES ('a59026bc8e8c7dde', 'mobilenetv3', '{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4}', '1391054472', 25, '2026-11-21 13:37:31.172000');
INSERT INTO uploads ("id", "name", "size_bytes", "sha256", "created_at", "completed_at") VALUES ('upl_01m7z573g999r3422t5t6cqb47', 'photos.zip', 1000, '0000000000000000000000000000000000000000000000000000000000000000', '2026-11-21 13:37:31.145000', NULL);
INSERT INTO data_sets ("id", "name", "source", "version", "counts", "shape", "num_classes", "created_at", "report") VALUES ('dat_01m7z573hc2nmd5tspez406z8c', 'digits', '{"kind":"digits"}', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', '{"train":1000,"validation":397,"test":400}', '[1,8,8]', 10, '2026-11-21 13:37:31.180000', 'null');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (1, 'job_01m7z573hrzv2pthz9dv943etk', 0, 'queued', '{}', '2026-11-21 13:37:31.192000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (2, 'job_01m7z573hrzv2pthz9dv943etk', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:31.209000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (3, 'job_01m7z573hrzv2pthz9dv943etk', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 13:37:31.232000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (4, 'job_01m7z573kcqh6qcz6mbm55as7s', 0, 'queued', '{}', '2026-11-21 13:37:31.244000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (5, 'job_01m7z573kcqh6qcz6mbm55as7s', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:31.259000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (6, 'job_01m7z573kcqh6qcz6mbm55as7s', 1, 'succeeded', '{}', '2026-11-21 13:37:31.365000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (7, 'job_01m7z573qktp2vwme0mz79ff1a', 0, 'queued', '{}', '2026-11-21 13:37:31.379000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (8, 'job_01m7z573qktp2vwme0mz79ff1a', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:31.403000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (9, 'job_01m7z573qktp2vwme0mz79ff1a', 1, 'succeeded', '{"files":["network.onnx"]}', '2026-11-21 13:37:31.436000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (10, 'job_01m7z573t3g9t0vhwfgzk4eg7b', 0, 'queued', '{}', '2026-11-21 13:37:31.459000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (11, 'job_01m7z573t3g9t0vhwfgzk4eg7b', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:31.461000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (12, 'job_01m7z573t3g9t0vhwfgzk4eg7b', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 13:37:31.472000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (13, 'job_01m7z573tzksx8gjcn69sv2b2k', 0, 'queued', '{}', '2026-11-21 13:37:31.487000');
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher") VALUES ('net_01m7z573hr8ndr05t6yt70rcwm', 'first', 'a59026bc8e8c7dde', 'dat_01m7z573hc2nmd5tspez406z8c', '{"epochs":1}', '{"num_workers":1}', 1, 'job_01m7z573hrzv2pthz9dv943etk', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 13:37:31.192000', '{"kind":"scratch"}', 'null');
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher") VALUES ('net_01m7z573t3xa02egj9xj9c2pys', 'first', 'a59026bc8e8c7dde', 'dat_01m7z573hc2nmd5tspez406z8c', '{"epochs":1}', '{"num_workers":1}', 1, 'job_01m7z573t3g9t0vhwfgzk4eg7b', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 13:37:31.459000', '{"kind":"scratch"}', 'null');
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 'fast', 'net_01m7z573hr8ndr05t6yt70rcwm', 'a59026bc8e8c7dde', '{"kind":"random"}', '[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}]', '[]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '2eebf6fb32535a77', '{}', 0, 'job_01m7z573kcqh6qcz6mbm55as7s', '{}', '2026-11-21 13:37:31.244000');
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at") VALUES ('sea_01m7z573tzkttg5pdjdsdszgec', 'fast', 'net_01m7z573t3xa02egj9xj9c2pys', 'a59026bc8e8c7dde', '{"kind":"random"}', '[{"metric":"top1_percent","goal":"maximize"}]', '[]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '2eebf6fb32535a77', '{}', 7, 'job_01m7z573tzksx8gjcn69sv2b2k', NULL, '2026-11-21 13:37:31.487000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z573n1e3nycarny0b0ngdx', 'a59026bc8e8c7dde', 'fe72135a4c9f6d8a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', 'measured', '{"top1_percent":97.0,"latency_ms":0.5}', '{"top1_percent":{"num_images":400,"interval_percent":[96.5,97.5]},"latency_ms":{"p10_ms":0.45,"p90_ms":0.55,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z573kcpyqjkhjrvrrz46v8', '2026-11-21 13:37:31.297000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z573nvqm2j32y0xq160jqe', 'a59026bc8e8c7dde', 'bbe300d0fc7f599a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', 'measured', '{"top1_percent":96.0,"latency_ms":0.25}', '{"top1_percent":{"num_images":400,"interval_percent":[95.5,96.5]},"latency_ms":{"p10_ms":0.225,"p90_ms":0.275,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z573kcpyqjkhjrvrrz46v8', '2026-11-21 13:37:31.323000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z573pbczbhjq00zj753xs8', 'a59026bc8e8c7dde', 'a71a35234d1f8991', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', 'measured', '{"top1_percent":94.0,"latency_ms":0.2}', '{"top1_percent":{"num_images":400,"interval_percent":[93.5,94.5]},"latency_ms":{"p10_ms":0.18000000000000002,"p90_ms":0.22000000000000003,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z573kcpyqjkhjrvrrz46v8', '2026-11-21 13:37:31.339000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z573ppxa791sny86yh97v7', 'a59026bc8e8c7dde', '87eadccb1d1aea90', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', 'measured', '{"top1_percent":93.0,"latency_ms":0.6}', '{"top1_percent":{"num_images":400,"interval_percent":[92.5,93.5]},"latency_ms":{"p10_ms":0.54,"p90_ms":0.66,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z573kcpyqjkhjrvrrz46v8', '2026-11-21 13:37:31.350000');
INSERT INTO exports ("id", "search_id", "architecture_digest", "architecture", "report_test", "job_id", "files", "card", "test_report", "created_at") VALUES ('exp_01m7z573qkzzrje4t1p175c63d', 'sea_01m7z573kcpyqjkhjrvrrz46v8', 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', true, 'job_01m7z573qktp2vwme0mz79ff1a', '[{"name":"network.onnx","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size_bytes":2000,"media_type":"application/vnd.onnx"}]', '{"espalier":"0.1.0"}', '{"top1_percent":98.5}', '2026-11-21 13:37:31.379000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 0, 0, 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', '2026-11-21 13:37:31.265000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 1, 0, 'bbe300d0fc7f599a', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', '2026-11-21 13:37:31.265000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 2, 0, 'a71a35234d1f8991', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', '2026-11-21 13:37:31.265000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 3, 0, '87eadccb1d1aea90', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', '2026-11-21 13:37:31.265000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 0, 'eva_01m7z573n1e3nycarny0b0ngdx', 1, 0, '2026-11-21 13:37:31.352000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 1, 'eva_01m7z573nvqm2j32y0xq160jqe', 1, 1, '2026-11-21 13:37:31.352000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 2, 'eva_01m7z573pbczbhjq00zj753xs8', 1, 2, '2026-11-21 13:37:31.352000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z573kcpyqjkhjrvrrz46v8', 3, 'eva_01m7z573ppxa791sny86yh97v7', 1, 3, '2026-11-21 13:37:31.352000');
INSERT INTO test_readings ("id", "export_id", "data_set_id", "network_digest", "result", "created_at") VALUES ('rea_01m7z573s0h12ab6akrhyx523a', 'exp_01m7z573qkzzrje4t1p175c63d', 'dat_01m7z573hc2nmd5tspez406z8c', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '{"top1_percent":98.5}', '2026-11-21 13:37:31.424000');
